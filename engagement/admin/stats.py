"""The counts in the admin: by promotion and hour, with their rates; compared with the facts."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from accounts.admin.by_jobs import left_to, sentences
from accounts.models import Job
from engagement import rebuild_job
from engagement.admin.facts import InCurrency
from engagement.admin.on_promotions import steps_of
from engagement.models import EventStat, EventType
from engagement.rebuild_job import CHECK, REBUILD, StatsPlan
from promopulse.lib.admin import ExactIdSearch, whole_id
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.plans import PlanPage, ReasonForm, Report
from promotions.models import Promotion

MANY_FACTS = 20_000_000
WORDS = {
    CHECK: (
        "Check against the facts",
        "Every count is computed anew from the single events and compared with what is shown. "
        "Nothing is changed.",
    ),
    REBUILD: (
        "Rebuild",
        "Every count is computed anew from the single events, and what differs is replaced. "
        "Months whose events were pruned keep their counts.",
    ),
}


@admin.register(EventStat)
class EventStatAdmin(ExactIdSearch, InCurrency):
    empty_words = "Counts appear with the first event."
    export_columns = (
        *("promotion_id", "type", "hour", "events", "new_users", "amount"),
        "share_of_views",
    )
    list_display = (
        *("promotion_link", "type", "hour", "events", "rate", "new_users", "amount_shown"),
    )
    list_display_links = ("hour",)
    list_filter = ("type", ("hour", admin.DateFieldListFilter))
    ordering = ("-hour", "-id")
    sortable_by = ()
    exact_ids = ("promotion_id",)
    search_help_text = "A promotion's id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the views of the same hour: a look-up by the unique index for each row shown."""
        views = EventStat.objects.filter(
            promotion_id=OuterRef("promotion_id"), type=EventType.VIEW, hour=OuterRef("hour")
        )
        rows = super().get_queryset(request).annotate(views=Subquery(views.values("events")[:1]))
        name = Promotion.objects.filter(pk=OuterRef("promotion_id")).values("name")
        return rows.annotate(promotion_name=Subquery(name[:1]))

    @admin.display(description="promotion")
    def promotion_link(self, row: Any) -> SafeString:
        words = row.promotion_name or f"Promotion {row.promotion_id}"
        return looks.link("admin:promotions_promotion_change", row.promotion_id, words)

    @admin.display(description="of the hour's views")
    def rate(self, row: Any) -> str:
        """No share where there are more than views: people act on what they saw in an hour before,
        and shops send redemptions of carts without a view."""
        share = self.share_of_views(row)
        if share is None:
            return "-"
        if share > 100:
            return f"more than its {looks.plural(row.views, 'view')}"
        return f"{share} %"

    def share_of_views(self, row: Any) -> float | None:
        """Percent, to a tenth; None for views, and where there was none in the hour."""
        if row.type == EventType.VIEW or not row.views:
            return None
        return float(round(100 * row.events / row.views, 1))

    # The page

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may have the counts compared and mended; nobody edits one."""
        return request.user.has_perm("engagement.change_eventstat")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(StatsPage(self))
        return [
            path("act/<slug:name>/", view, name="engagement_eventstat_act"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self.has_rebuild_permission(request):
            context["moves"] = [
                (f"{words}...", reverse("admin:engagement_eventstat_act", args=[name]))
                for name, (words, _says) in WORDS.items()
            ]
        number = whole_id(request.GET.get("q", "").strip())
        promotion = Promotion.objects.filter(pk=number).first() if number is not None else None
        if promotion is not None:
            context |= {"about": promotion.name, "summary": steps_of(promotion)}
        return super().changelist_view(request, context)


class StatsPage(PlanPage):
    """The pages `.../eventstat/act/stats_check/` and `.../stats_rebuild/`."""

    def may(self, request: HttpRequest, **named: Any) -> bool:
        if named["name"] not in WORDS:
            raise Http404
        return bool(self.admin.has_rebuild_permission(request))  # type: ignore[attr-defined]

    def form(self, request: HttpRequest, **named: Any) -> type[ReasonForm]:
        return ReasonForm

    def plan(self, request: HttpRequest, **named: Any) -> StatsPlan:
        return rebuild_job.plan(named["name"])

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        job = rebuild_job.start(plan, expect_plan=expected, reason=given["reason"])
        return left_to(job)

    def back(self, **named: Any) -> str:
        return reverse("admin:engagement_eventstat_changelist")

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        words, says = WORDS[plan.kind]
        return {
            "title": f"{words}: stats",
            "says": says,
            "button": words,
            "facts": looks.facts(_facts(plan)),
            "warnings": _warnings(plan),
            "warn_sign": looks.sign("warn"),
        }


def _facts(plan: StatsPlan) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [("Events to read", f"about {plan.facts:,}")]
    if plan.busy is not None:
        job = looks.link("admin:accounts_job_change", plan.busy.pk, plan.busy.title)
        return [*rows, ("Under way", job)]
    if plan.found is None:
        return [*rows, ("Last compared", "never")]
    at, wrong = plan.found
    said = f"{looks.plural(wrong, 'row')} differed" if wrong else "nothing differed"
    return [*rows, ("Last compared", f"{looks.moment(at)}: {said}")]


def _compared(job: Job) -> str:
    """What a check or a rebuild found, on the page of its job."""
    wrong, mended = job.result["wrong"], job.result["mended"]
    if not wrong:
        return "Nothing differed: the stats agree with the facts."
    found = f"{looks.plural(wrong, 'row')} differed from the facts"
    return f"{found}; {'now they agree' if mended else 'nothing was changed'}."


for _kind in WORDS:
    sentences[_kind] = _compared


def _warnings(plan: StatsPlan) -> list[str]:
    told = ["While it reads, events are accepted but not counted: the queue grows for that long."]
    if plan.facts > MANY_FACTS:
        told.append("That many take minutes: in a shell `manage.py stats_rebuild` has no limit.")
    if plan.kind == REBUILD and plan.found is None:
        told.append("The stats were never checked: check first to see how far they are off.")
    return told
