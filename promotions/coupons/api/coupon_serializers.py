"""Shapes of what is done with coupons."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from promopulse.lib.fields import (
    AwareDateTimeField,
    CurrencyField,
    IdField,
    MetadataField,
    MoneyField,
    StrictSerializer,
)
from promotions.coupons import rules
from promotions.coupons.api.serializers import CouponOut, reason_field
from promotions.coupons.states import State

_TOKEN = 200


class UserIn(StrictSerializer):
    """For whom. People who act for themselves may leave it out."""

    user_id = IdField(required=False, help_text="Needed from services and admins.")


class AssignIn(StrictSerializer):
    book_id = IdField()
    user_id = IdField()
    count = serializers.IntegerField(
        required=False, min_value=1, max_value=rules.MAX_ASSIGNED, help_text="Default 1."
    )
    source_id = serializers.CharField(
        required=False,
        max_length=rules.MAX_SOURCE_ID,
        help_text="Your own id of this request: asked again, it answers the same coupons.",
    )


class AssignCodeIn(StrictSerializer):
    user_id = IdField()


class AssignedOut(serializers.Serializer[Any]):
    book_id = serializers.IntegerField()
    user_id = serializers.IntegerField()
    coupons = CouponOut(many=True)


class LockIn(UserIn):
    lock_duration_seconds = serializers.IntegerField(
        required=False, min_value=1, max_value=rules.MAX_LOCK, help_text="Default 300."
    )


class LockOut(CouponOut):
    lock_token = serializers.CharField(help_text="Shown this once.")


class UnlockIn(UserIn):
    lock_token = serializers.CharField(required=False, max_length=_TOKEN)
    reason = reason_field()


class RedeemIn(UserIn):
    lock_token = serializers.CharField(required=False, allow_null=True, max_length=_TOKEN)
    metadata = MetadataField(required=False)
    order_id = serializers.CharField(
        required=False, allow_null=True, max_length=rules.MAX_ORDER_ID, help_text="Your own order."
    )
    cart_value = MoneyField(
        required=False, help_text="Needed where the book belongs to a promotion."
    )
    delivery_charge = MoneyField(required=False, default=Decimal(0))
    currency = CurrencyField(required=False, help_text="Default: the promotion's.")


class GrantedOut(serializers.Serializer[Any]):
    """The discount that the book's promotion gave."""

    id = serializers.IntegerField()
    discount_amount = MoneyField(source="amount")
    original_amount = MoneyField()
    final_amount = MoneyField()
    currency = serializers.CharField()
    limited_by = serializers.CharField(help_text="Which cap made it smaller, or empty.")


class CouponRedemptionOut(serializers.Serializer[Any]):
    """One use of a coupon."""

    id = serializers.IntegerField(source="redemption.id")
    coupon_id = serializers.IntegerField(source="coupon.id")
    book_id = serializers.IntegerField(source="coupon.book_id")
    user_id = serializers.IntegerField(source="redemption.user_id")
    order_id = serializers.CharField(source="redemption.order_id", allow_null=True)
    metadata = MetadataField(source="redemption.metadata")
    redeemed_at = AwareDateTimeField(source="redemption.created_at")
    state = serializers.ChoiceField(State.choices, source="coupon.state")
    uses_left = serializers.IntegerField(source="coupon.uses_left")
    discount = GrantedOut(allow_null=True)


class CouponReversalOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    redemption_id = serializers.IntegerField()
    coupon_id = serializers.IntegerField(source="redemption.coupon_id")
    reason = serializers.CharField()
    created_at = AwareDateTimeField()


class UserCouponsQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(State.choices, required=False, help_text="As it is now.")
