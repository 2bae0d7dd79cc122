"""Replay, discard and restore in the admin: plan, confirm, do, report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse

from engagement import letters
from engagement.causes import CAUSES, Category
from engagement.letters import Plan, Selection, long
from engagement.letters.replaying import MAX_RATE
from engagement.models import DeadLetterEvent, EventType
from promopulse.lib import plans
from promopulse.lib.admin import whole_id
from promopulse.lib.admin.plans import MustSayWhy, Nothing, PlanPage, ReasonForm, Report
from promopulse.lib.admin.shown import sign
from promopulse.lib.widgets import AmountInput

URL_NAME = "engagement_deadletterevent_act"
MOST_CHOSEN = 100
SAMPLE = 5


class ReplayForm(ReasonForm):
    rate = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_RATE,
        widget=AmountInput,
        help_text="Events a second; empty for as fast as it goes.",
    )
    field_order = ("rate", "reason")


def _replay(selection: Selection, **given: Any) -> Plan:
    return letters.replay(selection, **given).plan


@dataclass(frozen=True)
class Action:
    """One thing staff may do to letters. `do` takes a selection and gives the plan; `see` leads to
    the letters afterwards."""

    title: str
    says: str
    done: str
    form: type[ReasonForm]
    do: Callable[..., Plan]
    undo: str = ""
    see: str = "See them"


ACTIONS = {
    "replay": Action(
        "Replay",
        "Their events go back to the inbox and are judged by how things are now. Each is counted "
        "once at most. What is refused again is open again, with a longer history.",
        "Being replayed",
        ReplayForm,
        _replay,
        see="See what becomes of them",
    ),
    "discard": Action(
        "Discard",
        "They are closed without being counted. They stay, and can be restored.",
        "Discarded",
        MustSayWhy,
        letters.discard,
        undo="restore",
    ),
    "restore": Action(
        "Restore",
        "They are open again, and can be replayed.",
        "Open again",
        ReasonForm,
        letters.restore,
    ),
}


def url(name: str, **chosen: str) -> str:
    """The plan of an action on the letters that are chosen."""
    return f"{reverse(f'admin:{URL_NAME}', args=[name])}?{urlencode(chosen)}"


def links(chosen: Mapping[str, str]) -> list[tuple[str, str]]:
    """What can be done to open letters of one kind: words and address."""
    return [
        (f"Replay {SAMPLE} as a sample...", url("replay", **chosen, sample=str(SAMPLE))),
        ("Replay all...", url("replay", **chosen)),
        ("Discard...", url("discard", **chosen)),
    ]


_FILTERS = ("cause", "fingerprint", "type", "promotion_id")


def of_a_list(query: Mapping[str, str]) -> list[tuple[str, str]]:
    """What can be done to all letters of a filtered list, if its filters are ours to follow."""
    given = {name.removesuffix("__exact"): value for name, value in query.items()}
    state = given.pop("state", DeadLetterEvent.State.OPEN)
    if not given or not set(given) <= set(_FILTERS):
        return []
    if state == DeadLetterEvent.State.DISCARDED:
        return [("Restore all...", url("restore", **given))]
    return links(given) if state == DeadLetterEvent.State.OPEN else []


def _selection(query: Mapping[str, str]) -> Selection | None:
    """The letters an address names; None for one that names none."""
    if "ids" in query:
        found = (whole_id(part) for part in query["ids"].split(",")[:MOST_CHOSEN])
        return Selection(ids=tuple(number for number in found if number is not None))
    given = {name: query[name] for name in _FILTERS if query.get(name)}
    promotion_id = whole_id(given.get("promotion_id", ""))
    if (
        not given
        or given.get("cause", "unknown_user") not in CAUSES
        or given.get("type", EventType.VIEW) not in EventType.values
        or ("promotion_id" in given and promotion_id is None)
    ):
        return None
    return Selection(
        cause=given.get("cause"),
        fingerprint=given.get("fingerprint"),
        event_type=given.get("type"),
        promotion_id=promotion_id,
    )


def list_of(selection: Selection, ids: str = "") -> str:
    """The list of these letters, in whatever state: by their ids, or by what was asked for."""
    shared = {
        "cause": selection.cause,
        "fingerprint": selection.fingerprint,
        "type": selection.event_type,
        "promotion_id": selection.promotion_id,
    }
    given = {"id__in": ids} if ids else {name: value for name, value in shared.items() if value}
    return f"{reverse('admin:engagement_deadletterevent_changelist')}?{urlencode(given)}"


class LetterActions(PlanPage):
    """The pages `.../act/<action>/?...`."""

    template = "admin/engagement/deadletterevent/act.html"

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return bool(self.admin.has_handle_permission(request))  # type: ignore[attr-defined]

    def form(self, request: HttpRequest, **named: Any) -> type[forms.Form]:
        return _action(named["name"]).form

    def plan(self, request: HttpRequest, **named: Any) -> Plan:
        action, selection = _action(named["name"]), _selection(request.GET.dict())
        if selection is None:
            raise Nothing("Choose letters.")
        return action.do(selection, reason="", dry_run=True, **_limits(request, **named))

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        action, selection = _action(named["name"]), _selection(request.GET.dict())
        assert selection is not None  # or there would be no plan
        limits = _limits(request, **named)
        if action.do is _replay and plan.count > long.AT_ONCE:
            plans.must_be(plan, expected)
            job = long.start(selection, plan, rate=given["rate"], reason=given["reason"])
            words = "Very many: a job replays them. You can leave this page meanwhile."
            return Report(words, reverse("admin:accounts_job_change", args=[job.pk]))
        done = action.do(selection, expect_plan=expected, **limits, **given)
        words = f"{action.done}: {done.count:,}."
        if action.do is _replay and done.already_counted:
            words += f" Counted before, so only closed: {done.already_counted:,}."
        ids = ",".join(map(str, done.ids)) if 0 < done.count <= MOST_CHOSEN else ""
        undo = url(action.undo, ids=ids) if action.undo and ids else ""
        listed = list_of(selection, ids)
        return Report(words, self.back(), undo=undo, see=(action.see, listed))

    def back(self, **named: Any) -> str:
        return reverse("admin:engagement_deadletterevent_changelist")

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        action = _action(named["name"])
        causes = [(CAUSES[cause], count) for cause, count in plan.by_cause.items()]
        return {
            "title": f"{action.title} dead letters",
            "says": action.says,
            "button": f"{action.title} {plan.count:,}",
            "sample": _limits(request, **named).get("sample"),
            "causes": causes,
            "warnings": [
                cause.remedy
                for cause, _count in causes
                if action.do is _replay
                and cause.category in (Category.UNKNOWN, Category.WORKER_KILLER)
            ],
            "warn_sign": sign("warn"),
        }


def _action(name: str) -> Action:
    if name not in ACTIONS:
        raise Http404
    return ACTIONS[name]


def _limits(request: HttpRequest, **named: Any) -> dict[str, Any]:
    if named["name"] != "replay":
        return {}
    return {"sample": whole_id(request.GET.get("sample", "")) or None}
