"""Shapes of engagement's answers."""

from typing import Any

from rest_framework import serializers

from engagement.models import Event, EventType
from promopulse.lib.fields import AwareDateTimeField, IdField, MoneyField, TimeRange


class EventQuery(TimeRange):
    """Filters of the event list."""

    promotion_id = IdField(required=False)
    user_id = IdField(required=False)
    type = serializers.ChoiceField(choices=EventType.choices, required=False, source="event_type")


class StatsQuery(TimeRange):
    """A stretch of whole UTC hours, and the series' step."""

    interval = serializers.ChoiceField(choices=["hour", "day"], default="day")


class EventOut(serializers.ModelSerializer[Event]):
    occurred_at = AwareDateTimeField()
    received_at = AwareDateTimeField()
    amount = MoneyField(allow_null=True, help_text="In the currency of the promotion.")

    class Meta:
        model = Event
        fields = (
            "event_id",
            "type",
            "promotion_id",
            "user_id",
            "subscription_id",
            "occurred_at",
            "received_at",
            "amount",
            "metadata",
        )


class EventStateOut(serializers.Serializer[Any]):
    """One event, wherever it is."""

    event_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["processed", "retrying", "dead"])
    attempts = serializers.IntegerField()
    type = serializers.ChoiceField(choices=EventType.choices)
    promotion_id = serializers.IntegerField(allow_null=True)
    user_id = serializers.IntegerField(allow_null=True)
    subscription_id = serializers.IntegerField(allow_null=True)
    occurred_at = AwareDateTimeField()
    received_at = AwareDateTimeField()
    amount = serializers.CharField(allow_null=True)
    metadata = serializers.JSONField(allow_null=True)
    cause = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class TotalOut(serializers.Serializer[Any]):
    events = serializers.IntegerField()
    users = serializers.IntegerField(
        allow_null=True, help_text="Exact, for all time; null with from or to."
    )
    amount = serializers.CharField()


class TotalsOut(serializers.Serializer[Any]):
    VIEW = TotalOut()
    CLICK = TotalOut()
    REDEEM = TotalOut()


class RatesOut(serializers.Serializer[Any]):
    click_per_view = serializers.FloatField(allow_null=True)
    redeem_per_view = serializers.FloatField(allow_null=True)


class PointOut(serializers.Serializer[Any]):
    at = AwareDateTimeField()
    VIEW = serializers.IntegerField()
    CLICK = serializers.IntegerField()
    REDEEM = serializers.IntegerField()


class StatsOut(serializers.Serializer[Any]):
    promotion_id = serializers.IntegerField(allow_null=True)
    as_of = AwareDateTimeField()
    totals = TotalsOut()
    rates = RatesOut()
    series = PointOut(many=True)
