"""Reads across the tables of engagement."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from engagement.causes import CAUSES
from engagement.models import DeadLetterEvent, Event, ProcessedEvent, RetryEvent


def fact(event_id: str) -> Event | None:
    """The fact of a counted event, through the index of its promotion."""
    known = ProcessedEvent.objects.filter(pk=event_id).first()
    if known is None:
        return None
    return Event.objects.filter(
        promotion_id=known.promotion_id, occurred_at=known.occurred_at, event_id=event_id
    ).first()


def undelivered(event_id: str) -> RetryEvent | DeadLetterEvent | None:
    """The event as it is retried or dead."""
    return (
        RetryEvent.objects.filter(event_id=event_id).first()
        or DeadLetterEvent.objects.filter(event_id=event_id).first()
    )


def facts(
    *,
    promotion_id: int | None = None,
    user_id: int | None = None,
    event_type: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Event]:
    """Facts by their indexes; newest first is the page's business."""
    wanted: dict[str, Any] = {
        "promotion_id": promotion_id,
        "user_id": user_id,
        "type": event_type,
        "occurred_at__gte": since,
        "occurred_at__lt": until,
    }
    return Event.objects.filter(**{name: value for name, value in wanted.items() if value})


def letters(
    *,
    cause: str | None = None,
    fingerprint: str | None = None,
    state: str | None = None,
    promotion_id: int | None = None,
    event_type: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[DeadLetterEvent]:
    """Dead letters; the time is when they died."""
    wanted: dict[str, Any] = {
        "cause": cause,
        "fingerprint": fingerprint,
        "state": state,
        "promotion_id": promotion_id,
        "type": event_type,
        "dead_at__gte": since,
        "dead_at__lt": until,
    }
    return DeadLetterEvent.objects.filter(
        **{name: value for name, value in wanted.items() if value}
    )


def letter_groups(rows: QuerySet[DeadLetterEvent]) -> list[dict[str, Any]]:
    """One row per cause, the largest first."""
    groups = (
        rows.order_by()
        .values("fingerprint", "cause")
        .annotate(
            count=Count("id"),
            first_seen=Min("dead_at"),
            last_seen=Max("dead_at"),
            sample_event_id=Min("event_id"),
        )
        .order_by("-count", "fingerprint")
    )
    return [
        {
            **group,
            "category": CAUSES[group["cause"]].category.value,
            "detail": CAUSES[group["cause"]].sentence,
            "remedy": CAUSES[group["cause"]].remedy,
        }
        for group in groups
    ]
