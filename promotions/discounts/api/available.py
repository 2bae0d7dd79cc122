"""Which discounts a cart can have."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiViewSet
from accounts.api.throttles import per_caller
from accounts.roles import Permission
from promopulse.lib.fields import (
    CurrencyField,
    IdField,
    MoneyField,
    ReusableMixin,
    StrictSerializer,
)
from promotions.discounts import offers
from promotions.discounts.models import Discount, DiscountType, LimitedBy

MOST_OFFERS = 1_000

_ASKED = OpenApiExample(
    "A cart with its delivery",
    {
        "customer_id": 7,
        "cart_value": "120.00",
        "delivery_charge": "4.90",
        "include_ineligible": True,
    },
    request_only=True,
)


class AvailableIn(StrictSerializer, ReusableMixin):
    customer_id = IdField()
    cart_value = MoneyField()
    delivery_charge = MoneyField(required=False, default=Decimal(0))
    currency = CurrencyField(
        required=False, help_text="Default: each campaign takes the cart to be in its own."
    )
    limit = serializers.IntegerField(
        required=False,
        default=offers.DEFAULT_LIMIT,
        min_value=1,
        max_value=MOST_OFFERS,
        help_text="Discounts of each type.",
    )
    include_ineligible = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Also every campaign that does not apply, with the first reason.",
    )


class OfferOut(serializers.Serializer[Any], ReusableMixin):
    campaign_id = serializers.IntegerField(source="terms.promotion_id")
    campaign_name = serializers.CharField(source="terms.name")
    discount_type = serializers.ChoiceField(DiscountType.choices, source="terms.discount_type")
    discount_amount = MoneyField(source="amount", currency="terms.currency")
    original_value = MoneyField(source="original", currency="terms.currency")
    final_value = MoneyField(source="final", currency="terms.currency")
    currency = serializers.CharField(source="terms.currency")
    limited_by = serializers.ChoiceField(
        LimitedBy.choices, help_text="The cap that made it less, empty where none did."
    )
    message = serializers.SerializerMethodField()

    def get_message(self, offer: offers.Offer) -> str:
        return (
            f"You save {self.fields['discount_amount'].get_attribute(offer)} {offer.terms.currency}"
        )


class IneligibleOut(serializers.Serializer[Any], ReusableMixin):
    campaign_id = serializers.IntegerField(source="terms.promotion_id")
    campaign_name = serializers.CharField(source="terms.name")
    discount_type = serializers.ChoiceField(DiscountType.choices, source="terms.discount_type")
    code = serializers.CharField(source="refusal.code")
    detail = serializers.CharField(source="refusal.detail")
    params = serializers.DictField(source="refusal.params")


class AvailableOut(serializers.Serializer[Any], ReusableMixin):
    cart_discounts = OfferOut(many=True, source="cart", help_text="Best first.")
    delivery_discounts = OfferOut(many=True, source="delivery", help_text="Best first.")
    best_cart_discount = serializers.SerializerMethodField()
    best_delivery_discount = serializers.SerializerMethodField()
    ineligible = IneligibleOut(many=True, required=False, help_text="With include_ineligible.")

    @extend_schema_field(OfferOut(allow_null=True))
    def get_best_cart_discount(self, found: offers.Offers) -> Any:
        return OfferOut.show(found.cart[0]) if found.cart else None

    @extend_schema_field(OfferOut(allow_null=True))
    def get_best_delivery_discount(self, found: offers.Offers) -> Any:
        return OfferOut.show(found.delivery[0]) if found.delivery else None


class AvailableViewSet(ApiViewSet):
    """A quote: nothing is held, nothing is promised, and no key makes it happen once."""

    queryset = Discount.objects.all()
    bodies = {"create": AvailableIn}
    refusals = {"create": ("not_found",)}
    access = {"create": Permission.QUOTE}
    idempotent = False
    throttle_classes = (per_caller("available"),)

    @extend_schema(
        summary="The discounts a cart can have, best first",
        description="Held but overdue money and uses count as free. The grant judges anew.",
        request=AvailableIn,
        responses=AvailableOut,
        examples=[_ASKED],
    )
    def create(self, request: Request) -> Response:
        asked = self.body()
        user_id = asked.pop("customer_id")
        self.must_be_own(user_id)
        found = offers.available(user_id=user_id, of_others=not self.own_only, **asked)
        answer = AvailableOut.show(found)
        if not asked["include_ineligible"]:
            del answer["ineligible"]
        return Response(answer)
