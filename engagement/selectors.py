"""Reads across the tables of engagement."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Now

from engagement.causes import CAUSES
from engagement.models import DeadLetterEvent, Event, ProcessedEvent, RetryEvent
from promopulse.lib import sql
from promopulse.lib.money import DEFAULT_CURRENCY
from promotions.models import Promotion

FEW_FACTS = 10_000


def with_currency(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Each row with the `currency` of its promotion; the usual one where that is not known."""
    own = Promotion.objects.filter(pk=OuterRef("promotion_id")).values("currency")
    return rows.annotate(currency=Coalesce(Subquery(own), Value(DEFAULT_CURRENCY)))


def currency_of(promotion_id: int | None) -> str:
    """The currency of a promotion; the usual one where it is not known."""
    known = Promotion.objects.filter(pk=promotion_id or 0).values_list("currency", flat=True)
    return known.first() or DEFAULT_CURRENCY


def fact(event_id: str) -> Event | None:
    """The fact of a counted event; None also while it waits, and where it was pruned."""
    fact_id = fact_id_of(event_id)
    return Event.objects.filter(pk=fact_id).first() if fact_id else None


def fact_id_of(event_id: str) -> int | None:
    """What finds the fact of an event by its index; None if the event's id is not known."""
    return ProcessedEvent.objects.filter(pk=event_id).values_list("fact_id", flat=True).first()


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
    """Facts, each with its `place`: by it descending the newest arrival comes first.

    It is the id. Where the facts of a period are few, or fewer than what has come since, `place`
    cannot be read off an index: those facts are found by their time, then sorted. Walking down the
    ids would pass everything that is newer first.
    """
    wanted: dict[str, Any] = {
        "promotion_id": promotion_id,
        "user_id": user_id,
        "type": event_type,
        "occurred_at__gte": since,
        "occurred_at__lt": until,
    }
    rows = Event.objects.filter(**{name: value for name, value in wanted.items() if value})
    sort = bool(since or until) and not user_id and _are_few(promotion_id, since, until)
    return rows.annotate(place=F("id") + 0 if sort else F("id"))


# The counts by hour know. What is newer than the period matters as far as its last month goes:
# other months are not looked at.
_INSIDE_AND_NEWER = """
SELECT coalesce(sum(events) FILTER (WHERE hour < bound.until), 0),
    coalesce(sum(events) FILTER (WHERE hour >= bound.until), 0)
FROM (SELECT coalesce(%(until)s::timestamptz, 'infinity') AS until) bound,
    engagement_eventstat
WHERE hour >= coalesce(date_trunc('hour', %(since)s::timestamptz, 'UTC'), '-infinity')
    AND hour < date_trunc('month', bound.until, 'UTC') + interval '1 month'
    AND (%(promotion_id)s::bigint IS NULL OR promotion_id = %(promotion_id)s::bigint)
"""


def _are_few(promotion_id: int | None, since: datetime | None, until: datetime | None) -> bool:
    """Whether the facts of a period are sooner gathered than met on the way down the ids."""
    period = {"promotion_id": promotion_id, "since": since, "until": until}
    inside, newer = sql.fetch_one(_INSIDE_AND_NEWER, period)
    return bool(inside <= FEW_FACTS or inside < newer)


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


def letter_counts(rows: QuerySet[DeadLetterEvent], by: str) -> list[dict[str, Any]]:
    """How many letters have each value of one column, the most frequent first."""
    return list(
        rows.order_by()
        .values(by)
        .annotate(count=Count("id"), first_seen=Min("dead_at"), last_seen=Max("dead_at"))
        .order_by("-count", by)
    )


def letter_groups(rows: QuerySet[DeadLetterEvent]) -> list[dict[str, Any]]:
    """One row per cause, the largest first, with its oldest letter as a sample."""
    hour = timedelta(hours=1)
    groups = list(
        rows.order_by()
        .values("fingerprint", "cause")
        .annotate(
            count=Count("id"),
            first_seen=Min("dead_at"),
            last_seen=Max("dead_at"),
            sample_id=Min("id"),
            promotions=Count("promotion_id", distinct=True),
            last_hour=Count("id", filter=Q(dead_at__gt=Now() - hour)),
            hour_before=Count(
                "id", filter=Q(dead_at__gt=Now() - 2 * hour, dead_at__lte=Now() - hour)
            ),
        )
        .order_by("-count", "fingerprint", "cause")
    )
    samples = {group["sample_id"] for group in groups}
    sampled = DeadLetterEvent.objects.filter(pk__in=samples).values_list("pk", "event_id")
    event_ids = dict(sampled)
    return [
        {
            **group,
            "sample_event_id": event_ids.get(group["sample_id"], ""),
            "category": CAUSES[group["cause"]].category.value,
            "detail": CAUSES[group["cause"]].sentence,
            "remedy": CAUSES[group["cause"]].remedy,
            "trend": {"last_hour": group["last_hour"], "hour_before": group["hour_before"]},
        }
        for group in groups
    ]
