"""Campaigns: promotion, discount and budget in one flat body, in the words of shops."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from promopulse.lib.fields import (
    AwareDateTimeField,
    CurrencyField,
    LocalDateTimeField,
    MoneyField,
    TimezoneField,
)
from promotions import rules as promotion_rules
from promotions.api.base import PromotionsViewSet
from promotions.api.serializers import EffectiveStatusField, FlagField, IdListField, StatusIn
from promotions.discounts import selectors, services
from promotions.discounts.api.terms import DiscountIn, PercentageField
from promotions.discounts.models import DiscountType
from promotions.models import Promotion
from promotions.states import Status

_NEW = OpenApiExample(
    "Ten percent off in June, active at once",
    {
        "name": "Summer Sale",
        "discount_type": "cart",
        "discount_percentage": "10",
        "max_discount_amount": "20.00",
        "min_cart_value": "50.00",
        "start_date": "2026-06-01T00:00:00",
        "end_date": "2026-07-01T00:00:00",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "total_budget": "10000.00",
    },
    request_only=True,
)
_AIMED = OpenApiExample(
    "Free delivery for two customers, still a draft",
    {
        "name": "Sorry for the wait",
        "discount_type": "delivery",
        "discount_percentage": "100",
        "start_date": "2026-06-01T00:00:00Z",
        "end_date": "2026-06-08T00:00:00Z",
        "total_budget": "50.00",
        "target_customer_ids": [7, 12],
        "status": "draft",
    },
    request_only=True,
)
_LOCAL = "Without an offset: as clocks in `timezone` show it."


class CampaignIn(DiscountIn):
    name = serializers.CharField(max_length=promotion_rules.MAX_NAME)
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=promotion_rules.MAX_DESCRIPTION
    )
    start_date = LocalDateTimeField(help_text=_LOCAL)
    end_date = LocalDateTimeField(help_text=f"The first moment after it. {_LOCAL}")
    timezone = TimezoneField(required=False, help_text="IANA zone, default UTC.")
    currency = CurrencyField(required=False, help_text="ISO 4217, default USD.")
    total_budget = MoneyField(
        allow_null=True, help_text="More than zero. After the draft, top up the promotion's budget."
    )
    is_targeted = FlagField(required=False, help_text="Default: whether customers are named.")
    target_customer_ids = IdListField(help_text="At most 1,000.")


class NewCampaignIn(CampaignIn):
    status = serializers.ChoiceField(
        [Status.DRAFT.value, Status.ACTIVE.value],
        required=False,
        help_text="Default active: it runs within its window at once.",
    )


class ChangedCampaignIn(CampaignIn):
    status = serializers.ChoiceField(
        Status.choices, required=False, help_text="Moves it on after the changes."
    )


class CustomerCampaignOut(serializers.Serializer[Promotion]):
    """What everybody who may see a campaign sees of it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    discount_type = serializers.ChoiceField(DiscountType.choices, source="discount.discount_type")
    discount_percentage = PercentageField(source="discount.discount_percentage", allow_null=True)
    discount_flat = MoneyField(source="discount.discount_flat", allow_null=True)
    min_cart_value = MoneyField(source="discount.min_cart_value")
    max_discount_amount = MoneyField(source="discount.max_discount_amount", allow_null=True)
    max_usage_per_customer_per_day = serializers.IntegerField(
        source="discount.max_usage_per_customer_per_day"
    )
    start_date = AwareDateTimeField(source="start_at")
    end_date = AwareDateTimeField(source="end_at")
    timezone = serializers.CharField()
    currency = serializers.CharField()
    is_targeted = serializers.BooleanField()
    status = serializers.ChoiceField(Status.choices)
    effective_status = EffectiveStatusField()
    created_at = AwareDateTimeField()
    updated_at = AwareDateTimeField()


class CampaignOut(CustomerCampaignOut):
    """With what only staff and services see: it is absent from a customer's answers."""

    total_budget = MoneyField(
        source="budget.total",
        required=False,
        allow_null=True,
        help_text="null: unlimited. Not for customers.",
    )
    used_budget = MoneyField(
        source="budget.used",
        required=False,
        allow_null=True,
        help_text="Spent or reserved. Not for customers.",
    )
    target_customer_ids = serializers.ListField(
        child=serializers.IntegerField(),
        source="target_user_ids",
        required=False,
        help_text="Not for customers.",
    )


class CampaignsQuery(serializers.Serializer[Any]):
    """Which campaigns."""

    status = serializers.ChoiceField(Status.choices, required=False)
    discount_type = serializers.ChoiceField(
        DiscountType.choices, required=False, source="discount__discount_type"
    )
    is_targeted = FlagField(required=False)


class CampaignViewSet(PromotionsViewSet):
    """Promotions that give a discount. Customers see what is active and open to them."""

    queryset = Promotion.objects.all()
    bodies = {
        "create": NewCampaignIn,
        "update": ChangedCampaignIn,
        "change_status": StatusIn,
    }
    refusals = {
        "create": ("invalid_time_range",),
        "update": ("field_locked", "invalid_time_range", "invalid_transition"),
        "destroy": ("promotion_in_use",),
        "change_status": ("invalid_transition",),
    }
    access = {
        "list": Permission.PROMOTIONS_READ,
        "retrieve": Permission.PROMOTIONS_READ,
        "create": Permission.PROMOTIONS_WRITE,
        "update": Permission.PROMOTIONS_WRITE,
        "destroy": Permission.PROMOTIONS_WRITE,
        "change_status": Permission.PROMOTIONS_WRITE,
    }

    @property
    def _shape(self) -> type[CustomerCampaignOut]:
        return CustomerCampaignOut if self.own_only else CampaignOut

    def _shown(self, campaign_id: int, status: int = 200) -> Response:
        campaign = selectors.get_campaign(campaign_id, by_customer=self.only_of)
        return self.answer(self._shape, campaign, status)

    @extend_schema(
        summary="Campaigns, newest first",
        parameters=[CampaignsQuery],
        responses=CampaignOut(many=True),
    )
    def list(self, request: Request) -> Response:
        campaigns = selectors.campaigns(by_customer=self.only_of)
        return self.page(
            self._shape, campaigns.filter(**self.query(CampaignsQuery)).order_by("-id")
        )

    @extend_schema(summary="One campaign", responses=CampaignOut)
    def retrieve(self, request: Request, campaign_id: int) -> Response:
        return self._shown(campaign_id)

    @extend_schema(
        summary="Make a campaign",
        description="Active at once, unless `status` is draft. A time that clocks in `timezone` "
        "skip or show twice is refused with the choices. Naming customers makes it targeted.",
        responses={201: CampaignOut},
        examples=[_NEW, _AIMED],
    )
    def create(self, request: Request) -> Response:
        campaign = services.create_campaign(**self.body())
        return self._shown(campaign.pk, status=201)

    @extend_schema(
        summary="Change a campaign",
        description="What is left out stays as it is. A draft: everything. Active: name and "
        "description. Ended: nothing. A field sent with its stored value is no edit; locked ones "
        "are refused with `field_locked` and nothing changes. Naming one of discount_percentage "
        "and discount_flat drops the other.",
        responses=CampaignOut,
    )
    def update(self, request: Request, campaign_id: int) -> Response:
        services.update_campaign(campaign_id, **self.body(partial=True))
        return self._shown(campaign_id)

    @extend_schema(summary="Delete a draft", responses={204: None})
    def destroy(self, request: Request, campaign_id: int) -> Response:
        services.delete_campaign(campaign_id)
        return Response(status=204)

    @extend_schema(
        summary="Activate or end a campaign",
        description="draft -> active -> ended. The status it has already is no change.",
        parameters=[
            OpenApiParameter(
                "status", enum=Status.values, description="Where the body has no status."
            )
        ],
        responses=CampaignOut,
    )
    def change_status(self, request: Request, campaign_id: int) -> Response:
        services.change_campaign_status(campaign_id, **self._wanted_status(request))
        return self._shown(campaign_id)

    def _wanted_status(self, request: Request) -> dict[str, Any]:
        given = request.data
        asked = request.query_params.get("status")
        if asked is not None and isinstance(given, dict) and "status" not in given:
            given = {**dict(given.items()), "status": asked}
        body = StatusIn(data=given)
        body.is_valid(raise_exception=True)
        wanted: dict[str, Any] = body.validated_data
        return wanted
