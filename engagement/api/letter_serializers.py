"""Shapes of dead letters: what is asked for, what is answered."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from engagement.causes import CAUSES, Category
from engagement.letters.replaying import MAX_RATE
from engagement.letters.shown import attempts, shown_event
from engagement.models import DeadLetterEvent, EventType
from promopulse.lib.fields import (
    AwareDateTimeField,
    IdField,
    StrictMixin,
    StrictSerializer,
    TimeRange,
)
from promotions.rules import MAX_REASON

MAX_IDS = 1_000
MAX_SAMPLE = 1_000_000


class LetterFilter(TimeRange):
    """What letters have in common; the time is when they died."""

    cause = serializers.ChoiceField(choices=sorted(CAUSES), required=False)
    fingerprint = serializers.CharField(max_length=200, required=False)
    promotion_id = IdField(required=False)
    type = serializers.ChoiceField(choices=EventType.choices, required=False, source="event_type")


class DeadLetterQuery(LetterFilter):
    """Filters of the dead letters."""

    state = serializers.ChoiceField(choices=DeadLetterEvent.State.choices, required=False)


class DeadLetterGroupQuery(LetterFilter):
    """Filters of the groups, which are of open letters unless another state is asked for."""

    state = serializers.ChoiceField(
        choices=DeadLetterEvent.State.choices, default=DeadLetterEvent.State.OPEN
    )


class LetterFilterIn(StrictMixin, LetterFilter):
    """The same filters in a body. An empty one means every open letter."""


class LetterReasonIn(StrictSerializer):
    """Why it is done; kept in the audit trail."""

    reason = serializers.CharField(
        max_length=MAX_REASON, required=False, allow_blank=True, default=""
    )


class DiscardIn(StrictSerializer):
    """Why it is discarded; kept at the letter and in the audit trail."""

    reason = serializers.CharField(max_length=MAX_REASON)


class ReplayIn(LetterReasonIn):
    """Which letters, how many of them, how fast. Exactly one of `filter` and `ids`."""

    filter = LetterFilterIn(required=False)
    ids = serializers.ListField(
        child=IdField(), required=False, min_length=1, max_length=MAX_IDS, help_text="Letters' ids."
    )
    sample = serializers.IntegerField(
        min_value=1, max_value=MAX_SAMPLE, required=False, help_text="The oldest so many."
    )
    rate = serializers.IntegerField(
        min_value=1, max_value=MAX_RATE, required=False, help_text="Events a second."
    )
    dry_run = serializers.BooleanField(default=False)
    expect_plan = serializers.CharField(
        max_length=64, required=False, help_text="`plan` of a dry run: refused if it has changed."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("filter" in attrs) == ("ids" in attrs):
            raise serializers.ValidationError(
                {"filter": "Give either `filter` or `ids`; `{}` is every open letter."}
            )
        return attrs


class DeadLetterAttemptOut(serializers.Serializer[Any]):
    at = AwareDateTimeField()
    cause = serializers.CharField()
    detail = serializers.CharField()


class DeadLetterOut(serializers.ModelSerializer[DeadLetterEvent]):
    category = serializers.SerializerMethodField()
    remedy = serializers.SerializerMethodField()
    payload = serializers.SerializerMethodField(
        help_text="The event as it was sent. In metadata long texts are cut, what looks like an "
        "e-mail or a phone number is masked, and values under personal names are hidden."
    )
    history = serializers.SerializerMethodField()
    occurred_at = AwareDateTimeField()
    received_at = AwareDateTimeField()
    dead_at = AwareDateTimeField()
    closed_at = AwareDateTimeField(allow_null=True)

    class Meta:
        model = DeadLetterEvent
        fields = (
            "id",
            "event_id",
            "type",
            "promotion_id",
            "user_id",
            "occurred_at",
            "received_at",
            "cause",
            "category",
            "detail",
            "remedy",
            "fingerprint",
            "attempts",
            "history",
            "payload",
            "state",
            "state_reason",
            "dead_at",
            "closed_at",
        )

    @extend_schema_field(serializers.ChoiceField(choices=sorted(Category)))
    def get_category(self, letter: DeadLetterEvent) -> str:
        return CAUSES[letter.cause].category.value

    def get_remedy(self, letter: DeadLetterEvent) -> str:
        return CAUSES[letter.cause].remedy

    @extend_schema_field(DeadLetterAttemptOut(many=True))
    def get_history(self, letter: DeadLetterEvent) -> Any:
        return DeadLetterAttemptOut(attempts(letter.history), many=True).data

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_payload(self, letter: DeadLetterEvent) -> dict[str, Any]:
        return shown_event(letter.payload, letter.currency)  # type: ignore[attr-defined]


class DeadLetterTrendOut(serializers.Serializer[Any]):
    """Letters of the last hour, and of the hour before it."""

    last_hour = serializers.IntegerField()
    hour_before = serializers.IntegerField()


class DeadLetterGroupOut(serializers.Serializer[Any]):
    """Letters of one cause."""

    fingerprint = serializers.CharField()
    cause = serializers.CharField()
    category = serializers.CharField()
    detail = serializers.CharField()
    remedy = serializers.CharField()
    count = serializers.IntegerField()
    first_seen = AwareDateTimeField()
    last_seen = AwareDateTimeField()
    trend = DeadLetterTrendOut()
    promotions = serializers.IntegerField(help_text="How many promotions are touched.")
    sample_id = serializers.IntegerField(help_text="The oldest letter.")
    sample_event_id = serializers.CharField()


class DeadLetterPromotionOut(serializers.Serializer[Any]):
    promotion_id = serializers.IntegerField(allow_null=True)
    count = serializers.IntegerField()


class ReplayOut(serializers.Serializer[Any]):
    """What was sent back to the inbox, or in a dry run would be."""

    dry_run = serializers.BooleanField()
    count = serializers.IntegerField(help_text="Letters that are replayed.")
    left_out = serializers.IntegerField(help_text="Ids that are not open, or unknown.")
    already_counted = serializers.IntegerField(
        help_text="Of the count: sent again and counted since. Closed without counting them again."
    )
    by_cause = serializers.DictField(child=serializers.IntegerField())
    by_promotion = DeadLetterPromotionOut(many=True, help_text="The hundred most touched.")
    oldest_at = AwareDateTimeField(allow_null=True)
    newest_at = AwareDateTimeField(allow_null=True)
    seconds = serializers.FloatField(help_text="How long the rate spreads them.")
    plan = serializers.CharField(help_text="Stands for exactly these letters.")
