"""Events and stats, for reading."""

from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView, ApiViewSet
from accounts.roles import Permission
from engagement import selectors, wire
from engagement.api.serializers import (
    EventOut,
    EventQuery,
    EventStateOut,
    StatsOut,
    StatsQuery,
)
from engagement.models import Event, RetryEvent
from engagement.stats import Stats, read_stats
from promopulse.lib.errors import NotFound
from promopulse.lib.money import DEFAULT_CURRENCY, money_text
from promopulse.lib.pagination import Keyset
from promopulse.lib.time import db_now
from promotions.models import Promotion


def _query(serializer_class: Any, request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.query_params)
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


class EventViewSet(ApiViewSet):
    """Facts, the newest arrival first."""

    access = {"list": Permission.EVENTS_READ, "retrieve": Permission.EVENTS_READ}
    queryset = Event.objects.none()
    pagination_class = Keyset
    keyset = ("-place",)
    lookup_field = "event_id"
    lookup_value_regex = "[^/]+"

    @extend_schema(
        summary="Events, the last to come first",
        parameters=[EventQuery],
        responses=EventOut(many=True),
    )
    def list(self, request: Request) -> Response:
        """Counted events, the last that came first, whenever it happened."""
        rows = selectors.facts(**_query(EventQuery, request))
        return self.page(EventOut, selectors.with_currency(rows))

    @extend_schema(
        summary="An event, and where it is",
        responses=EventStateOut,
        parameters=[OpenApiParameter("event_id", OpenApiTypes.STR, OpenApiParameter.PATH)],
    )
    def retrieve(self, request: Request, event_id: str) -> Response:
        """One event: processed, retrying or dead. One that still waits is not found yet."""
        event_id = wire.canonical_id(event_id)
        row = selectors.fact(event_id) or selectors.undelivered(event_id)
        if row is None:
            raise NotFound()
        return self.answer(EventStateOut, _event_state(row))


def _event_state(row: Any) -> dict[str, Any]:
    if isinstance(row, Event):
        facts = {"subscription_id": row.subscription_id, "metadata": row.metadata}
        amount = row.amount
        status, attempts, cause, detail = "processed", 1, None, None
    else:
        facts = {"subscription_id": row.payload.get("s"), "metadata": row.payload.get("m")}
        amount = row.payload.get("a")
        status = "retrying" if isinstance(row, RetryEvent) else "dead"
        attempts, cause, detail = row.attempts, row.cause, row.detail
    return {
        "event_id": row.event_id,
        "status": status,
        "attempts": attempts,
        "type": row.type,
        "promotion_id": row.promotion_id,
        "user_id": row.user_id,
        "occurred_at": row.occurred_at,
        "received_at": row.received_at,
        "amount": None
        if amount is None
        else money_text(Decimal(str(amount)), selectors.currency_of(row.promotion_id)),
        "cause": cause,
        "detail": detail,
        **facts,
    }


_EXAMPLE = OpenApiExample(
    "A promotion's stats",
    {
        "promotion_id": 7,
        "as_of": "2026-06-02T08:00:00Z",
        "totals": {
            "VIEW": {"events": 120, "users": 80, "amount": "0.00"},
            "CLICK": {"events": 30, "users": 25, "amount": "0.00"},
            "REDEEM": {"events": 6, "users": 6, "amount": "154.50"},
        },
        "rates": {"click_per_view": 0.25, "redeem_per_view": 0.05},
        "series": [{"at": "2026-06-01T00:00:00Z", "VIEW": 120, "CLICK": 30, "REDEEM": 6}],
    },
    response_only=True,
)


class PromotionStats(ApiView):
    """The counts of one promotion."""

    access = Permission.STATS_READ

    @extend_schema(
        summary="Counts of a promotion",
        parameters=[StatsQuery],
        responses=StatsOut,
        examples=[_EXAMPLE],
    )
    def get(self, request: Request, promotion_id: int) -> Response:
        """Exact counts per type and over time. Days are UTC; rates are null without views."""
        promotion = Promotion.objects.filter(pk=promotion_id).only("id", "currency").first()
        if promotion is None:
            raise NotFound()
        stats = read_stats(promotion_id, **_query(StatsQuery, request))
        return Response(StatsOut(_stats(stats, promotion.pk, promotion.currency)).data)


class AllStats(ApiView):
    """The counts of all promotions together."""

    access = Permission.STATS_READ

    @extend_schema(summary="Counts of all promotions", parameters=[StatsQuery], responses=StatsOut)
    def get(self, request: Request) -> Response:
        """As for one promotion; users are null, since the same person may be in several.

        Amounts of different currencies are added as they are.
        """
        stats = read_stats(None, **_query(StatsQuery, request))
        return Response(StatsOut(_stats(stats, None, DEFAULT_CURRENCY)).data)


def _stats(stats: Stats, promotion_id: int | None, currency: str) -> dict[str, Any]:
    return {
        "promotion_id": promotion_id,
        "as_of": db_now(),
        "totals": {
            kind: {
                "events": total.events,
                "users": total.users,
                "amount": money_text(total.amount, currency),
            }
            for kind, total in stats.totals.items()
        },
        "rates": {
            "click_per_view": stats.rate("CLICK", "VIEW"),
            "redeem_per_view": stats.rate("REDEEM", "VIEW"),
        },
        "series": stats.series,
    }
