"""Jobs in the admin: how far each is, its file, stop it or begin again."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, re_path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import jobs
from accounts.admin import by_jobs
from accounts.admin.extensions import job_links
from accounts.jobs import brought
from accounts.jobs.kinds import kind_of, known
from accounts.jobs.services import UNDONE
from accounts.models import Job, JobFile
from promopulse.lib import plans
from promopulse.lib.admin import OneOf, ReadOnlyAdmin
from promopulse.lib.admin.plans import PlanPage, Report
from promopulse.lib.admin.rows import rejected_file
from promopulse.lib.admin.shown import Tone, badge, progress, time_left

State = Job.State
_LOOKS = {
    State.WAITING: ("clock", Tone.WAIT),
    State.RUNNING: ("play", Tone.WAIT),
    State.DONE: ("check", Tone.GOOD),
    State.FAILED: ("cross", Tone.BAD),
    State.CANCELLED: ("stop", Tone.CALM),
}


class _KindFilter(OneOf):
    """Apps register their kinds when they are ready: later than this."""

    title = parameter_name = "kind"

    def known(self) -> Mapping[str, str]:
        return known()


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = (
        *("id", "title", "what", "badge", "progress", "who", "created_at", "finished_at"),
    )
    list_display_links = ("id", "title")
    list_filter = ("state", _KindFilter, ("finished_at", admin.DateFieldListFilter))
    list_select_related = ("actor",)
    ordering = ("-id",)
    sortable_by = ()
    empty_words = (
        "What is too long for a page: large exports, uploads, replays, with their progress."
    )
    # The times of the work are drawn again with its progress.
    fields = ("what", "who", "created_at", "request_id")
    readonly_fields = fields
    change_form_template = "admin/accounts/job/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Of the person no more than the name; the time is the database's."""
        names = (*(field.attname for field in Job._meta.concrete_fields), "actor__name")
        rows: QuerySet[Job] = super().get_queryset(request).select_related("actor").only(*names)
        return rows.annotate(judged_at=Now())

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/file/", view(self.file), name="accounts_job_file"),
            path("<int:pk>/rejected/", view(self.rejected), name="accounts_job_rejected"),
            re_path(
                rf"^(?P<pk>[0-9]{{1,18}})/(?P<name>{'|'.join(MOVES)})/$",
                view(JobMoves(self)),
                name="accounts_job_move",
            ),
            *super().get_urls(),
        ]

    def is_theirs(self, request: HttpRequest, job: Job) -> bool:
        """Whose job it is: theirs, or anybody's to an admin."""
        user = request.user
        return bool(user.is_superuser) or job.actor_id == user.pk

    def may_have(self, request: HttpRequest, job: Job) -> bool:
        """Who gets its file, and may stop it or take it up: whose it is, while they may do what it
        does. A role can have been taken away."""
        kind = kind_of(job)
        return self.is_theirs(request, job) and (kind is None or kind.may(request.user, job))

    def page_context(self, request: HttpRequest, obj: Job) -> dict[str, Any]:
        context = {
            "job": obj,
            "badge": self.badge(obj),
            "progress": self.progress(obj),
            "undone": obj.state in UNDONE,
            "outcome": self.outcome(obj),
            "links": [one for more in job_links for one in more(request, obj)],
        }
        if self.may_have(request, obj):
            context["moves"] = [
                (f"{words}...", reverse("admin:accounts_job_move", args=[obj.pk, name]))
                for name, (words, _says, states, _do) in MOVES.items()
                if obj.state in states
            ]
            if obj.place.get("pieces") and obj.state == State.DONE:
                context["file"] = reverse("admin:accounts_job_file", args=[obj.pk])
            if brought.has_left_out(obj):
                context["rejected"] = reverse("admin:accounts_job_rejected", args=[obj.pk])
        return context

    def _theirs(self, request: HttpRequest, pk: int) -> Job:
        """A job for who may have what is in it. Raises PermissionDenied or Http404."""
        job = get_object_or_404(Job, pk=pk)
        if not self.may_have(request, job):
            raise PermissionDenied
        return job

    def rejected(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The rows that were left out when it was asked for, as long as they are kept."""
        job = self._theirs(request, pk)
        if not brought.has_left_out(job):
            raise Http404
        return rejected_file(brought.left_out(job))

    def file(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """What the job has made, piece by piece."""
        job = self._theirs(request, pk)
        kind = kind_of(job)
        first = JobFile.objects.filter(job=job, number=0).exists()
        if kind is None or not kind.file or not first or job.state != State.DONE:
            raise Http404
        name = job.params.get("file") or kind.file
        return StreamingHttpResponse(
            _pieces(job),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @admin.display(description="state")
    def badge(self, job: Job) -> SafeString:
        sign, tone = _LOOKS[State(job.state)]
        hint = job.error if job.state == State.FAILED else ""
        return badge(sign, job.get_state_display(), tone, hint)

    @admin.display(description="progress")
    def progress(self, job: Job) -> SafeString:
        if job.total is None:
            return format_html("{} done", f"{job.done:,}")
        return progress(job.done, job.total, f"Progress of {job.title}", self._left(job))

    @staticmethod
    def _left(job: Job) -> str:
        at: Any = job.judged_at  # type: ignore[attr-defined]
        if job.state != State.RUNNING or not (job.total and job.started_at):
            return ""
        return time_left(job.done, job.total, at - job.started_at)

    @admin.display(description="kind")
    def what(self, job: Job) -> str:
        return known().get(job.kind, job.kind)

    @admin.display(description="who")
    def who(self, job: Job) -> str:
        if job.actor is None:
            return "The system"
        return job.actor.name or f"User {job.actor_id}"

    @staticmethod
    def outcome(job: Job) -> str:
        """What became of it so far: what went wrong, its report, or its figures."""
        told = [f"{name.replace('_', ' ')}: {value}" for name, value in job.result.items()]
        return job.error or by_jobs.sentence(job) or "; ".join(told)


def _pieces(job: Job) -> Iterator[str]:
    for number in range(job.place["pieces"]):
        yield JobFile.objects.values_list("text", flat=True).get(job=job, number=number)


MOVES = {
    "cancel": (
        "Cancel",
        "It stops before its next step. What is done stays done.",
        UNDONE,
        jobs.cancel,
    ),
    "again": (
        "Begin again",
        "It goes on where it stopped.",
        (State.FAILED, State.CANCELLED),
        jobs.again,
    ),
}


class _Plan:
    def __init__(self, name: str, job: Job) -> None:
        self.job = job
        self.count = int(job.state in MOVES[name][2])
        self.hash = plans.digest(name, job.pk, job.state)


class JobMoves(PlanPage):
    """The pages `.../<job>/cancel/` and `.../<job>/again/`."""

    def may(self, request: HttpRequest, **named: Any) -> bool:
        job = get_object_or_404(Job, pk=named["pk"])
        return self.admin.may_have(request, job)  # type: ignore[attr-defined]

    def plan(self, request: HttpRequest, **named: Any) -> _Plan:
        return _Plan(named["name"], get_object_or_404(Job, pk=named["pk"]))

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        plans.must_be(plan, expected)
        words, _says, _states, do = MOVES[named["name"]]
        do(named["pk"], reason=given["reason"])
        return Report(f"{words}: done.", self.back(**named))

    def back(self, **named: Any) -> str:
        return reverse("admin:accounts_job_change", args=[named["pk"]])

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        words, says, _states, _do = MOVES[named["name"]]
        return {"title": f"{words}: {plan.job.title}", "says": says, "button": words}
