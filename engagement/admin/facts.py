"""Facts, counts and the inbox: to read, never to edit."""

import json
import re
import shlex
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from engagement import resending, selectors, wire
from engagement.causes import WORDS
from engagement.letters import shown
from engagement.models import (
    Consumption,
    DeadLetterEvent,
    Event,
    IngestBatch,
    ProcessedEvent,
    PromotionUser,
    Pruned,
    RetryEvent,
)
from promopulse.lib.admin import ExactIdSearch, ReadOnlyAdmin, one_of
from promopulse.lib.admin import shown as looks
from promopulse.lib.money import money_text

_NOT_COUNTED = [
    DeadLetterEvent.State.OPEN,
    DeadLetterEvent.State.REPLAYING,
    DeadLetterEvent.State.DISCARDED,
]
_WAITS = "It is being tried again: at {:%H:%M} UTC the next time."
_ABOUT = re.compile(r"(promotion|user):([0-9]{1,18})")


class ByEventId(ReadOnlyAdmin):
    """Search finds a whole event id, by its index."""

    search_help_text = "A whole event id"
    search_fields = ("event_id",)  # shows the search box
    ordering: tuple[str, ...] = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(event_id=wire.canonical_id(search_term.strip())), False


class WithCause(ByEventId):
    """Rows with the cause of a failure, in people's words."""

    @admin.display(description="cause", ordering="cause")
    def why(self, row: RetryEvent | DeadLetterEvent) -> str:
        return WORDS[row.cause]


class InCurrency(ReadOnlyAdmin):
    """Rows with an amount, in the currency of their promotion."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return selectors.with_currency(super().get_queryset(request))

    @admin.display(description="amount")
    def amount_shown(self, row: Any) -> str | None:
        if row.amount is None:
            return None
        return f"{money_text(row.amount, row.currency)} {row.currency}"


@admin.register(Event)
class EventAdmin(InCurrency, ByEventId):
    empty_words = "Events arrive through the API or an import, and are here once they are counted."
    export_columns = ("event_id", "type", "promotion_id", "user_id", "occurred_at", "amount")
    list_display = ("event_id", "type", "promotion_id", "user_id", "occurred_at", "amount_shown")
    list_filter = ("type", ("occurred_at", admin.DateFieldListFilter))
    ordering = ("-id",)
    sortable_by = ()

    search_help_text = "A whole event id, promotion:7 or user:7"
    fields = (
        *("event_id", "type", "promotion_id", "user_id", "subscription_id", "occurred_at"),
        *("received_at", "amount_shown", "metadata_masked", "attempts", "as_curl"),
    )
    readonly_fields = fields

    @admin.display(description="metadata")
    def metadata_masked(self, event: Event) -> SafeString | str:
        if event.metadata is None:
            return "-"
        told = json.dumps(shown.masked(event.metadata), indent=2, ensure_ascii=False)
        return format_html('<pre class="pp-scroll" tabindex="0">{}</pre>', told)

    @admin.display(description="attempts that failed")
    def attempts(self, event: Event) -> SafeString | str:
        """Of one that was a dead letter before it was counted; of others none is kept."""
        letter = DeadLetterEvent.objects.filter(event_id=event.event_id).first()
        if letter is None:
            return "None is known"
        rows = [
            (looks.moment(one.at), one.words, one.detail) for one in shown.attempts(letter.history)
        ]
        page = looks.link("admin:engagement_deadletterevent_change", letter.pk, "The dead letter")
        return format_html("{}{}", looks.table(("When", "Cause", "What happened"), rows), page)

    @admin.display(description="as curl")
    def as_curl(self, event: Event) -> SafeString | str:
        """The request that sent it: once more it is a duplicate and changes nothing.

        With metadata it is shown masked, and would be a conflict.
        """
        if event.event_id.startswith(wire.RESERVED_PREFIX):
            return "Nobody sent it: the engine tells of each redemption itself"
        sent, note = resending.as_sent(event), ""
        if sent.get("metadata") is not None:
            sent["metadata"] = shown.masked(sent["metadata"])
            note = "# Its metadata may be masked here: then this would be another event.\n"
        return format_html(
            '<pre class="pp-scroll" tabindex="0">{}curl -X POST /api/v1/events/ingest \\\n'
            '  -H "Authorization: Api-Key $KEY" -H "Content-Type: application/json" \\\n'
            "  -d {}</pre>",
            note,
            shlex.quote(json.dumps(sent, ensure_ascii=False)),
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Somebody who looks for an event that is not counted is told where it is."""
        event_id = wire.canonical_id(request.GET.get("q", "").strip())
        found = selectors.undelivered(event_id) if event_id else None
        if isinstance(found, RetryEvent):
            self.message_user(request, _WAITS.format(found.due_at), messages.WARNING)
        elif found is not None and found.state in _NOT_COUNTED:
            view, state = "admin:engagement_deadletterevent_change", found.get_state_display()
            page = looks.link(view, found.pk, "dead letter")
            words = format_html("It is a {} ({}).", page, state.lower())
            self.message_user(request, words, messages.WARNING)
        return super().changelist_view(request, extra_context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Facts have no index on event ids; the record of the id leads to the fact."""
        if match := _ABOUT.fullmatch(search_term.strip()):
            return queryset.filter(**{f"{match[1]}_id": int(match[2])}), False
        event_id = wire.canonical_id(search_term.strip())
        if not event_id:
            return queryset, False
        fact_id = selectors.fact_id_of(event_id)
        return queryset.filter(pk=fact_id) if fact_id else queryset.none(), False


@admin.register(RetryEvent)
class RetryAdmin(WithCause):
    list_display = ("event_id", "type", "why", "attempts", "due_at")
    fields = (
        *("event_id", "type", "promotion_id", "user_id", "why", "detail", "fingerprint"),
        *("occurred_at", "received_at", "attempts", "due_at", "event"),
    )
    readonly_fields = fields
    list_filter = (one_of("cause", WORDS), "type")
    sortable_by = ()

    @admin.display(description="event, personal data masked")
    def event(self, row: RetryEvent) -> SafeString:
        words = shown.event_text(row.payload, selectors.currency_of(row.promotion_id))
        return format_html('<pre class="pp-scroll" tabindex="0">{}</pre>', words)


@admin.register(IngestBatch)
class IngestBatchAdmin(ExactIdSearch, ReadOnlyAdmin):
    list_display = (
        "id",
        "received_at",
        "client",
        "accepted",
        "processed",
        "duplicates",
        "conflicts",
        "retrying",
        "dead",
        "processed_at",
    )
    list_filter = (("processed_at", admin.EmptyFieldListFilter), "origin")
    ordering = ("-id",)
    sortable_by = ()
    exclude = ("body",)
    search_help_text = "A batch id"


@admin.register(ProcessedEvent)
class ProcessedEventAdmin(ByEventId):
    list_display = ("event_id", "fact_id")
    ordering = ("event_id",)
    sortable_by = ()


@admin.register(PromotionUser)
class PromotionUserAdmin(ExactIdSearch, ReadOnlyAdmin):
    list_display = ("promotion_id", "type", "user_id", "first_hour")
    list_filter = ("type",)
    ordering = ("-id",)
    sortable_by = ()
    exact_ids = ("promotion_id",)
    search_help_text = "A promotion's id"


@admin.register(Consumption)
class ConsumptionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "fingerprint", "probe_at")
    sortable_by = ()


@admin.register(Pruned)
class PrunedAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "batches", "accepted", "processed", "duplicates", "dead")
    sortable_by = ()
