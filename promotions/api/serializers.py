"""Shapes of promotions and budgets in and out."""

from typing import Any

from rest_framework import serializers

from promopulse.lib.fields import (
    AwareDateTimeField,
    CurrencyField,
    IdField,
    MetadataField,
    MoneyField,
    StrictSerializer,
    TimezoneField,
)
from promotions import rules
from promotions.models import Promotion
from promotions.states import EffectiveStatus, Status


def reason_field() -> serializers.CharField:
    return serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=rules.MAX_REASON,
        help_text="Why; kept in the history.",
    )


class IdListField(serializers.ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=IdField(), required=False, max_length=rules.MAX_TARGETS, **kwargs)


class FlagField(serializers.BooleanField):
    """A form that leaves it out does not say no."""

    default_empty_html = serializers.empty


class EffectiveStatusField(serializers.ChoiceField):
    """What a promotion is at the one moment of its view."""

    def __init__(self) -> None:
        super().__init__(EffectiveStatus.choices, source="*", read_only=True)

    def to_representation(self, value: Any) -> str:
        status: EffectiveStatus = value.effective_status(self.context["view"].at)
        return status


class PromotionIn(StrictSerializer):
    name = serializers.CharField(max_length=rules.MAX_NAME)
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=rules.MAX_DESCRIPTION
    )
    start_at = AwareDateTimeField()
    end_at = AwareDateTimeField(help_text="The first moment after the promotion.")
    timezone = TimezoneField(
        required=False, help_text="IANA zone, default UTC; a daily limit's day is local to it."
    )
    currency = CurrencyField(required=False, help_text="ISO 4217, default USD.")
    is_targeted = FlagField(required=False, help_text="Default: whether an audience is named.")
    target_user_ids = IdListField(help_text="At most 1,000; use a pool for more.")
    target_pool_ids = IdListField(help_text="At most 1,000.")
    source_id = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=rules.MAX_SOURCE_ID,
        help_text="Your own id for it, unique.",
    )
    metadata = MetadataField(required=False)


class CustomerPromotionOut(serializers.Serializer[Promotion]):
    """What everybody who may see a promotion sees of it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    start_at = AwareDateTimeField()
    end_at = AwareDateTimeField()
    timezone = serializers.CharField()
    currency = serializers.CharField()
    is_targeted = serializers.BooleanField()
    status = serializers.ChoiceField(Status.choices)
    effective_status = EffectiveStatusField()
    paused_at = AwareDateTimeField(allow_null=True)
    activated_at = AwareDateTimeField(allow_null=True)
    ended_at = AwareDateTimeField(allow_null=True)
    created_at = AwareDateTimeField()
    updated_at = AwareDateTimeField()


class PromotionOut(CustomerPromotionOut):
    """With what only staff and services see: it is absent from a customer's answers."""

    pause_reason = serializers.CharField(required=False, help_text="Not for customers.")
    target_user_ids = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="Not for customers."
    )
    target_pool_ids = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="Not for customers."
    )
    source_id = serializers.CharField(
        required=False, allow_null=True, help_text="Not for customers."
    )
    metadata = MetadataField(required=False, help_text="Not for customers.")


class StatusIn(StrictSerializer):
    status = serializers.ChoiceField(Status.choices)
    reason = reason_field()


class ReasonIn(StrictSerializer):
    reason = reason_field()


class BudgetIn(StrictSerializer):
    total = MoneyField(allow_null=True, help_text="null: unlimited.")
    reason = reason_field()


class TopUpIn(StrictSerializer):
    amount = MoneyField(help_text="More than zero.")
    reason = reason_field()


class BudgetOut(serializers.Serializer[Promotion]):
    """A promotion's money; all null when it is unlimited."""

    promotion_id = serializers.IntegerField(source="id")
    currency = serializers.CharField()
    total = MoneyField(source="budget.total", allow_null=True)
    reserved = MoneyField(source="budget.reserved", allow_null=True)
    spent = MoneyField(source="budget.spent", allow_null=True)
    left = MoneyField(source="budget.left", allow_null=True)


class BudgetEntryOut(serializers.Serializer[Any]):
    """One movement of the ledger; the sum of all is the budget."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(["fund", "reserve", "capture", "release", "reverse"])
    amount = MoneyField(
        currency="budget.promotion.currency",
        min_value=None,
        help_text="Negative where a draft's total was lowered.",
    )
    reason = serializers.CharField()
    created_at = AwareDateTimeField()


class HistoryEntryOut(serializers.Serializer[Any]):
    """Who changed what, from what to what, and why."""

    id = serializers.IntegerField()
    at = AwareDateTimeField()
    action = serializers.CharField()
    actor_user_id = serializers.IntegerField(allow_null=True)
    actor_api_key_id = serializers.IntegerField(allow_null=True)
    via = serializers.CharField(help_text="api, admin, command, worker or system.")
    before = serializers.DictField(help_text="The changed values as they were.")
    after = serializers.DictField(help_text="The changed values as they became.")
    reason = serializers.CharField()
    request_id = serializers.CharField()
