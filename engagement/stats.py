"""Counts for reading: from the rollups only, never from the facts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncDay

from engagement.models import EventStat, EventType


@dataclass
class Total:
    """One type's count. `users` is None where it is not known (a part of the time)."""

    events: int = 0
    users: int | None = 0
    amount: Decimal = Decimal(0)


@dataclass
class Stats:
    """Totals per type (every type is there) and a series of counts in time order."""

    totals: dict[str, Total]
    series: list[dict[str, Any]] = field(default_factory=list)

    def rate(self, part: str, whole: str) -> float | None:
        """Events of one type per event of another, None without any of those."""
        base = self.totals[whole].events
        return round(self.totals[part].events / base, 6) if base else None


def read_stats(
    promotion_id: int | None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    interval: str = "day",
) -> Stats:
    """Stats of a promotion, or of all. Hours are UTC; `since` is counted in, `until` is not."""
    rows = EventStat.objects.all()
    if promotion_id is not None:
        rows = rows.filter(promotion_id=promotion_id)
    if since is not None:
        rows = rows.filter(hour__gte=since)
    if until is not None:
        rows = rows.filter(hour__lt=until)
    # Unique users are exact for all time of one promotion; no sum of parts would be.
    knows_users = promotion_id is not None and since is None and until is None
    return Stats(_totals(rows, knows_users), _series(rows, interval))


def read_totals(promotion_id: int) -> dict[str, Total]:
    """Totals of a promotion over all time, with its unique users."""
    return _totals(EventStat.objects.filter(promotion_id=promotion_id), knows_users=True)


def _totals(rows: QuerySet[EventStat], knows_users: bool) -> dict[str, Total]:
    totals = {kind: Total(users=0 if knows_users else None) for kind in EventType.values}
    sums = rows.values("type").annotate(
        total=Sum("events"), users=Sum("new_users"), money=Sum("amount")
    )
    for row in sums:
        totals[row["type"]] = Total(
            row["total"], row["users"] if knows_users else None, row["money"]
        )
    return totals


def _series(rows: QuerySet[EventStat], interval: str) -> list[dict[str, Any]]:
    if interval == "day":
        rows = rows.annotate(at=TruncDay("hour"))
        counts: Iterable[Any] = (
            rows.values("at", "type").annotate(n=Sum("events")).values_list("at", "type", "n")
        )
    else:
        counts = (
            rows.values("hour", "type").annotate(n=Sum("events")).values_list("hour", "type", "n")
        )
    points: dict[datetime, dict[str, Any]] = {}
    for at, kind, n in counts:
        point = points.setdefault(at, {"at": at, **dict.fromkeys(EventType.values, 0)})
        point[kind] = n
    return [points[at] for at in sorted(points)]
