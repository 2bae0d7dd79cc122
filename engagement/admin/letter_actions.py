"""Replay, discard and restore in the admin: plan, confirm, do, report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from engagement import letters
from engagement.causes import CAUSES, Category
from engagement.letters import Plan, Selection
from engagement.letters.replaying import MAX_RATE
from engagement.models import DeadLetterEvent, EventType
from promopulse.lib.admin import whole_id
from promopulse.lib.errors import DomainError, PlanChanged
from promopulse.lib.widgets import AmountInput, TextArea
from promotions.rules import MAX_REASON

URL_NAME = "engagement_deadletterevent_act"
MOST_CHOSEN = 100
SAMPLE = 5


class ReasonForm(forms.Form):
    reason = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        widget=TextArea(attrs={"rows": 2}),
        help_text="Kept in the audit trail.",
    )


class DiscardForm(ReasonForm):
    reason = forms.CharField(
        max_length=MAX_REASON,
        widget=TextArea(attrs={"rows": 2}),
        help_text="Kept with each letter and in the audit trail.",
    )


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
    """One thing staff may do to letters. `do` takes a selection and gives the plan."""

    title: str
    says: str
    done: str
    form: type[ReasonForm]
    do: Callable[..., Plan]


ACTIONS = {
    "replay": Action(
        "Replay",
        "Their events go back to the inbox and are judged by how things are now. Each is counted "
        "once at most. What is refused again is open again, with a longer history.",
        "Being replayed",
        ReplayForm,
        _replay,
    ),
    "discard": Action(
        "Discard",
        "They are closed without being counted. They stay, and can be restored.",
        "Discarded",
        DiscardForm,
        letters.discard,
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


class LetterActions:
    """The pages `.../act/<action>/?...`: GET shows the plan, POST does what was shown."""

    def __init__(self, model_admin: "admin.ModelAdmin[DeadLetterEvent]") -> None:
        self.admin = model_admin

    def __call__(self, request: HttpRequest, name: str) -> HttpResponse:
        if not self.admin.has_handle_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        if name not in ACTIONS:
            raise Http404
        selection = _selection(request.GET.dict())
        if selection is None:
            return self._back(request, "Choose letters.", messages.WARNING)
        limits = {}
        if name == "replay":
            limits["sample"] = whole_id(request.GET.get("sample", "")) or None
        action = ACTIONS[name]
        if request.method == "POST":
            form = action.form(request.POST)
            if form.is_valid():
                return self._do(request, action, selection, {**limits, **form.cleaned_data})
        else:
            form = action.form()
        plan = action.do(selection, reason="", dry_run=True, **limits)
        return self._page(request, action, plan, form, limits)

    def _do(
        self, request: HttpRequest, action: Action, selection: Selection, given: dict[str, Any]
    ) -> HttpResponse:
        try:
            plan = action.do(selection, expect_plan=request.POST.get("plan", ""), **given)
        except PlanChanged as changed:
            self.admin.message_user(request, changed.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        except DomainError as refusal:
            return self._back(request, refusal.detail, messages.ERROR)
        words = f"{action.done}: {plan.count}."
        if action.do is _replay and plan.already_counted:
            words += f" Counted before, so only closed: {plan.already_counted}."
        return self._back(request, words, messages.SUCCESS)

    def _back(self, request: HttpRequest, words: str, level: int) -> HttpResponse:
        self.admin.message_user(request, words, level)
        return HttpResponseRedirect(_list())

    def _page(
        self,
        request: HttpRequest,
        action: Action,
        plan: Plan,
        form: forms.Form,
        limits: dict[str, Any],
    ) -> HttpResponse:
        causes = [(CAUSES[cause], count) for cause, count in plan.by_cause.items()]
        context = self.admin.admin_site.each_context(request) | {
            "title": f"{action.title} dead letters",
            "opts": self.admin.opts,
            "action": action,
            "plan": plan,
            "sample": limits.get("sample"),
            "causes": causes,
            "unmended": [
                cause.remedy
                for cause, _count in causes
                if action.do is _replay
                and cause.category in (Category.UNKNOWN, Category.WORKER_KILLER)
            ],
            "form": form,
            "media": self.admin.media + form.media,
            "back": _list(),
        }
        template = "admin/engagement/deadletterevent/act.html"
        return TemplateResponse(request, template, context)


def _list() -> str:
    return reverse("admin:engagement_deadletterevent_changelist")
