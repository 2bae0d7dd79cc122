"""The discount of a promotion, and copies of promotions with it."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from promopulse.lib.fields import CountField, ExactDecimalField, MoneyField, StrictSerializer
from promotions.api.base import PromotionsViewSet
from promotions.api.serializers import PromotionOut, ReasonIn
from promotions.api.views import PromotionViewSet
from promotions.discounts import selectors, services, values
from promotions.discounts.models import Discount, DiscountType

_TENTH = OpenApiExample(
    "Ten percent of the cart, at most 20",
    {
        "discount_type": "cart",
        "discount_percentage": "10",
        "min_cart_value": "50.00",
        "max_discount_amount": "20.00",
    },
    request_only=True,
)
_DELIVERY = OpenApiExample(
    "Up to 4.90 off the delivery, twice a day",
    {
        "discount_type": "delivery",
        "discount_flat": "4.90",
        "max_usage_per_customer_per_day": 2,
    },
    request_only=True,
)


class PercentageField(ExactDecimalField):
    """A share in percent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_digits=5,
            decimal_places=2,
            min_value=Decimal("0.01"),
            max_value=Decimal(100),
            **kwargs,
        )


class DiscountIn(StrictSerializer):
    discount_type = serializers.ChoiceField(DiscountType.choices)
    discount_percentage = PercentageField(
        required=False, allow_null=True, help_text="This or discount_flat, exactly one."
    )
    discount_flat = MoneyField(
        required=False, allow_null=True, help_text="This or discount_percentage, exactly one."
    )
    min_cart_value = MoneyField(
        required=False, help_text="Default 0. Compared with the cart's value for both types."
    )
    max_discount_amount = MoneyField(
        required=False, allow_null=True, help_text="The most one redemption gives; null: no cap."
    )
    max_usage_per_customer_per_day = CountField(
        required=False,
        max_value=values.MAX_USAGE,
        help_text="Default 1. A day is the promotion's local day.",
    )


class DiscountOut(serializers.Serializer[Discount]):
    promotion_id = serializers.IntegerField()
    currency = serializers.CharField(source="promotion.currency")
    discount_type = serializers.ChoiceField(DiscountType.choices)
    discount_percentage = PercentageField(allow_null=True)
    discount_flat = MoneyField(currency="promotion.currency", allow_null=True)
    min_cart_value = MoneyField(currency="promotion.currency")
    max_discount_amount = MoneyField(currency="promotion.currency", allow_null=True)
    max_usage_per_customer_per_day = serializers.IntegerField()


class DiscountViewSet(PromotionsViewSet):
    """What a promotion gives, at most one discount."""

    queryset = Discount.objects.all()
    bodies = {"update": DiscountIn}
    refusals = {"update": ("field_locked",), "destroy": ("field_locked",)}
    access = {
        "retrieve": Permission.PROMOTIONS_READ,
        "update": Permission.PROMOTIONS_WRITE,
        "destroy": Permission.PROMOTIONS_WRITE,
    }

    def _shown(self, promotion_id: int) -> Response:
        discount = selectors.get_discount(promotion_id, by_customer=self.only_of)
        return self.answer(DiscountOut, discount)

    @extend_schema(summary="The discount of a promotion", responses=DiscountOut)
    def retrieve(self, request: Request, promotion_id: int) -> Response:
        return self._shown(promotion_id)

    @extend_schema(
        summary="Set the discount of a draft",
        description="The whole of it: what is left out has its default. Once the promotion is "
        "active nothing of it changes; the values it has already are no edit.",
        responses=DiscountOut,
        examples=[_TENTH, _DELIVERY],
    )
    def update(self, request: Request, promotion_id: int) -> Response:
        services.set_discount(promotion_id, values=self.body())
        return self._shown(promotion_id)

    @extend_schema(summary="Take the discount of a draft away", responses={204: None})
    def destroy(self, request: Request, promotion_id: int) -> Response:
        services.remove_discount(promotion_id)
        return Response(status=204)


class CopyViewSet(PromotionViewSet):
    """Copies of promotions, whole: with their discount."""

    bodies = {"duplicate": ReasonIn}
    refusals = {}
    access = {"duplicate": Permission.PROMOTIONS_WRITE}

    @extend_schema(
        summary="Copy a promotion into a new draft",
        description="Same window, audience, discount and budget total; usage, history and "
        "`source_id` stay with the original.",
        responses={201: PromotionOut},
    )
    def duplicate(self, request: Request, promotion_id: int) -> Response:
        copy = services.duplicate(promotion_id, **self.body())
        return self.shown(copy.pk, status=201)
