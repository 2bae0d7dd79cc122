"""What carts, reservations, redemptions and reversals look like in and out."""

from typing import Any

from rest_framework import serializers

from promopulse.lib.fields import (
    AwareDateTimeField,
    CountField,
    CurrencyField,
    IdField,
    MoneyField,
    ReusableMixin,
    StrictSerializer,
    TimeRange,
)
from promotions.api.serializers import reason_field
from promotions.discounts.models import (
    MAX_ORDER_ID,
    MAX_TTL,
    LimitedBy,
    ReservationState,
    Reversal,
)
from promotions.discounts.services.reservations import DEFAULT_TTL


def _order_id() -> serializers.CharField:
    return serializers.CharField(
        required=False,
        allow_null=True,
        max_length=MAX_ORDER_ID,
        help_text="Your own order: granted once by a campaign for ever, also after a reversal.",
    )


class CartIn(StrictSerializer, ReusableMixin):
    """What somebody is about to pay, and the campaign that should make it less."""

    campaign_id = IdField(source="promotion_id")
    customer_id = IdField(source="user_id")
    cart_value = MoneyField()
    delivery_charge = MoneyField(required=False, help_text="Default 0.")
    currency = CurrencyField(required=False, help_text="Default: the campaign's.")


class ApplyIn(CartIn):
    order_id = _order_id()


class ReserveIn(CartIn):
    ttl_seconds = CountField(
        required=False, max_value=MAX_TTL, help_text=f"How long it holds; default {DEFAULT_TTL}."
    )


class CaptureIn(StrictSerializer, ReusableMixin):
    order_id = _order_id()


class NothingIn(StrictSerializer, ReusableMixin):
    """A body with no fields; none at all is the same."""


class ReverseIn(StrictSerializer, ReusableMixin):
    amount = MoneyField(required=False, allow_null=True, help_text="Default: all that is left.")
    reason = reason_field()


class _GrantedOut(serializers.Serializer[Any], ReusableMixin):
    id = serializers.IntegerField()
    campaign_id = serializers.IntegerField(source="promotion_id")
    customer_id = serializers.IntegerField(source="user_id")
    currency = serializers.CharField()
    cart_value = MoneyField()
    delivery_charge = MoneyField()
    original_amount = MoneyField(help_text="The value that is discounted: cart or delivery.")


def _limited_by() -> serializers.ChoiceField:
    return serializers.ChoiceField(
        LimitedBy.choices, help_text="The cap that made it less, empty where none did."
    )


class RedemptionOut(_GrantedOut):
    discount_amount = MoneyField(source="amount")
    final_amount = MoneyField(help_text="What is left to pay of the original amount.")
    limited_by = _limited_by()
    reversed_amount = MoneyField(source="reversed", help_text="Given back since.")
    order_id = serializers.CharField(allow_null=True)
    reservation_id = serializers.IntegerField(allow_null=True)
    granted_at = AwareDateTimeField()


class ReservationOut(_GrantedOut):
    amount = MoneyField(help_text="What is held.")
    final_amount = MoneyField(help_text="What is left to pay of the original amount.")
    limited_by = _limited_by()
    state = serializers.ChoiceField(ReservationState.choices)
    created_at = AwareDateTimeField()
    expires_at = AwareDateTimeField()
    closed_at = AwareDateTimeField(allow_null=True)


class ReversalOut(serializers.Serializer[Reversal], ReusableMixin):
    id = serializers.IntegerField()
    redemption_id = serializers.IntegerField()
    currency = serializers.CharField(source="redemption.currency")
    amount = MoneyField(currency="redemption.currency")
    reason = serializers.CharField()
    created_at = AwareDateTimeField()


class UsageQuery(serializers.Serializer[Any]):
    """Which redemptions of a customer."""

    campaign_id = IdField(required=False, source="promotion_id")


class RedemptionsQuery(TimeRange):
    """Which redemptions; the time is when they were granted."""

    campaign_id = IdField(required=False, source="promotion_id")
    customer_id = IdField(required=False, source="of_user")
