"""Many people into or out of a pool: pasted or in a file, a verdict on each line first."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts import jobs
from accounts.admin.by_jobs import left_to, sentences
from accounts.admin.extensions import job_links
from accounts.models import Job, Pool
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from accounts.services import pool_jobs, pool_lines
from accounts.services.pool_lines import ADD, REMOVE
from promopulse.lib.admin.plans import Report
from promopulse.lib.admin.rows import Judged, Row, RowsForm, RowsPage, told_left_out
from promopulse.lib.admin.shown import plural
from promopulse.lib.widgets import Select

_VERDICTS = {
    pool_lines.JOINS: ("Joins", ""),
    pool_lines.IS_IN: ("Is in already", ""),
    pool_lines.LEAVES: ("Leaves", ""),
    pool_lines.IS_OUT: ("Is not in", ""),
    pool_lines.UNKNOWN: ("Unknown", "Nobody has this e-mail, id or source_id."),
    pool_lines.TWICE: ("Named twice", "A line before names the same person."),
}
_TAKEN = (pool_lines.JOINS, pool_lines.LEAVES)


def may_write(request: HttpRequest) -> bool:
    """As in the API."""
    return reach_of(request.user, Permission.PROMOTIONS_WRITE) is Reach.ALL


class MembersForm(RowsForm):
    move = forms.ChoiceField(
        label="What", choices=[(ADD, "Put them in"), (REMOVE, "Take them out")], widget=Select
    )
    field_order = ("move", "file", "pasted")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].help_text = "CSV with a column id, email or source_id."
        self.fields["pasted"].help_text = "One a line: an e-mail, an id, or your own id of them."


class MembersPage(RowsPage):
    """The page `.../<pool>/members/`."""

    most = pool_lines.MOST

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_write(request)

    def asks(self, data: Any, files: Any, **named: Any) -> MembersForm:
        get_object_or_404(Pool, pk=named["pk"])
        return MembersForm(data, files)

    def of_file(self, content: bytes) -> list[str]:
        return pool_lines.lines_of(content)

    def judged(self, rows: list[str], options: dict[str, str], **named: Any) -> Judged:
        found = pool_lines.judge(named["pk"], rows, move=options["move"])
        verdicts = [
            Row(number, line.text, *_told(line.verdict), names=line.user_id)
            for number, line in enumerate(found, start=1)
        ]
        return Judged(verdicts, ("pool", named["pk"], options["move"]), found)

    def take(
        self, request: HttpRequest, judged: Judged, options: dict[str, str], **named: Any
    ) -> Report:
        move = options["move"]
        if jobs.is_large(judged.count):
            return left_to(
                pool_jobs.start(
                    named["pk"],
                    judged.found,
                    move=move,
                    plan=judged.hash,
                    left_out=judged.left_out,
                )
            )
        moved = pool_lines.move(named["pk"], pool_lines.moving(judged.found), move)
        return Report(_said(move, moved, judged.left_out), self.back(**named))

    def back(self, **named: Any) -> str:
        return reverse("admin:accounts_pool_change", args=[named["pk"]])

    def words(self, judged: Judged | None, **named: Any) -> dict[str, Any]:
        pool = Pool.objects.get(pk=named["pk"])
        return {
            "title": f"People of {pool}",
            "says": "Each line gets its verdict before anything is changed.",
            "button": _button(judged) if judged else "",
            "by_a_job": judged is not None and jobs.is_large(judged.count),
        }


def _said(move: str, moved: int, left_out: Mapping[str, int]) -> str:
    done = "put into" if move == ADD else "taken out of"
    return told_left_out(f"{plural(moved, 'person', 'people')} {done} the pool.", left_out)


def _of_job(job: Job) -> str:
    left_out = job.params["left_out"]
    said = _said(job.params["move"], job.result["moved"], left_out)
    # An address of somebody who is erased meanwhile would be found by nobody.
    return f"{said} Their lines are not kept: they may hold addresses." if left_out else said


def _pool_of(request: HttpRequest, job: Job) -> list[tuple[str, str]]:
    if job.kind != pool_jobs.KIND:
        return []
    return [("The pool", reverse("admin:accounts_pool_change", args=[job.params["pool_id"]]))]


sentences[pool_jobs.KIND] = _of_job
job_links.append(_pool_of)


def _button(judged: Judged) -> str:
    _kind, _pool, move = judged.facts
    return f"Put {judged.count:,} in" if move == ADD else f"Take {judged.count:,} out"


def _told(verdict: str) -> tuple[str, bool, str]:
    words, detail = _VERDICTS[verdict]
    return words, verdict in _TAKEN, detail
