"""Dead letters in the admin: groups first, then rows; one letter with all that is known of it."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.safestring import SafeString

from engagement import selectors
from engagement.admin import letter_actions
from engagement.admin.facts import WithCause
from engagement.causes import CAUSES, WORDS
from engagement.letters import shown, states
from engagement.models import DeadLetterEvent
from promopulse.lib.admin import one_of
from promopulse.lib.admin.shown import Tone, badge

State = DeadLetterEvent.State

_LOOKS = {
    State.OPEN: ("letter", Tone.WARN),
    State.REPLAYING: ("again", Tone.WAIT),
    State.RESOLVED: ("check", Tone.GOOD),
    State.SUPERSEDED: ("same", Tone.GOOD),
    State.DISCARDED: ("cross", Tone.CALM),
}
_NAMES = {"replay": "Replay", "discard": "Discard", "restore": "Restore"}


@admin.register(DeadLetterEvent)
class DeadLetterAdmin(WithCause):
    empty_words = "Every accepted event was counted, waits or is being tried again."
    export_columns = ("event_id", "type", "cause", "promotion_id", "state", "attempts", "dead_at")
    list_display = ("event_id", "type", "why", "promotion_id", "badge", "attempts", "dead_at")
    list_filter = ("state", one_of("cause", WORDS), "type")
    sortable_by = ()
    fields = (
        "event_id",
        "badge",
        "state_reason",
        "type",
        "promotion_id",
        "user_id",
        "why",
        "category",
        "detail",
        "remedy",
        "fingerprint",
        "occurred_at",
        "received_at",
        "dead_at",
        "closed_at",
    )
    readonly_fields = fields
    actions = tuple(f"{name}_chosen" for name in _NAMES)

    def has_handle_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may replay, discard and restore; nobody edits a letter."""
        return request.user.has_perm("engagement.change_deadletterevent")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Groups lead to their rows, actions to theirs, and those of a promotion can be asked for:
        all by index."""
        by_index = lookup in ("fingerprint", "promotion_id", "id__in")
        return by_index or super().lookup_allowed(lookup, value, request)

    def get_urls(self) -> list[Any]:
        act = self.admin_site.admin_view(letter_actions.LetterActions(self))
        name = letter_actions.URL_NAME
        return [path("act/<slug:name>/", act, name=name), *super().get_urls()]

    # Lists

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        may = self.has_handle_permission(request)
        if not request.GET:
            context["groups"] = [
                {**group, "actions": _group_actions(group) if may else []}
                for group in selectors.letter_groups(selectors.letters(state=State.OPEN))
            ]
        elif may:
            context["all_of_these"] = letter_actions.of_a_list(request.GET)
        return super().changelist_view(request, context)

    @admin.action(description="Replay...", permissions=["handle"])
    def replay_chosen(
        self, request: HttpRequest, queryset: QuerySet[DeadLetterEvent]
    ) -> HttpResponse | None:
        return self._plan("replay", request, queryset)

    @admin.action(description="Discard...", permissions=["handle"])
    def discard_chosen(
        self, request: HttpRequest, queryset: QuerySet[DeadLetterEvent]
    ) -> HttpResponse | None:
        return self._plan("discard", request, queryset)

    @admin.action(description="Restore...", permissions=["handle"])
    def restore_chosen(
        self, request: HttpRequest, queryset: QuerySet[DeadLetterEvent]
    ) -> HttpResponse | None:
        return self._plan("restore", request, queryset)

    def _plan(
        self, name: str, request: HttpRequest, queryset: QuerySet[DeadLetterEvent]
    ) -> HttpResponse | None:
        """Lead to the plan of an action; nothing is done yet."""
        most = letter_actions.MOST_CHOSEN
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: most + 1])
        if len(ids) > most:
            words = f"Choose at most {most} letters, or filter the list and take all of these."
            self.message_user(request, words, messages.ERROR)
            return None
        return HttpResponseRedirect(letter_actions.url(name, ids=",".join(map(str, ids))))

    # One letter

    def page_context(self, request: HttpRequest, obj: DeadLetterEvent) -> dict[str, Any]:
        possible = states.possible(obj.state) if self.has_handle_permission(request) else ()
        return {
            "tries": shown.attempts(obj.history),
            "event": shown.event_text(obj.payload, selectors.currency_of(obj.promotion_id)),
            "actions": [
                (f"{_NAMES[name]}...", letter_actions.url(name, ids=str(obj.pk)))
                for name in possible
            ],
        }

    @admin.display(description="state", ordering="state")
    def badge(self, letter: DeadLetterEvent) -> SafeString:
        sign, tone = _LOOKS[State(letter.state)]
        return badge(sign, letter.state.capitalize(), tone)

    @admin.display
    def category(self, letter: DeadLetterEvent) -> str:
        return CAUSES[letter.cause].category.replace("_", " ")

    @admin.display(description="what to do")
    def remedy(self, letter: DeadLetterEvent) -> str:
        return CAUSES[letter.cause].remedy


def _group_actions(group: dict[str, Any]) -> list[tuple[str, str]]:
    """The links of a group: words and address."""
    only = {"fingerprint": group["fingerprint"], "cause": group["cause"]}
    return letter_actions.links(only)
