"""Routes of promotions: who may, which shape, one call."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from promopulse.lib.filters import StrictBackend
from promotions import selectors, services
from promotions.api.base import PromotionsViewSet
from promotions.api.filters import PromotionFilters
from promotions.api.serializers import (
    CustomerPromotionOut,
    PromotionIn,
    PromotionOut,
    ReasonIn,
    StatusIn,
)
from promotions.models import Promotion

_NEW = OpenApiExample(
    "A month in summer",
    {
        "name": "Summer Sale 2026",
        "start_at": "2026-06-01T00:00:00+02:00",
        "end_at": "2026-07-01T00:00:00+02:00",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
    },
    request_only=True,
)
_AIMED = OpenApiExample(
    "For two people and a pool",
    {
        "name": "Early access",
        "start_at": "2026-05-25T00:00:00Z",
        "end_at": "2026-06-01T00:00:00Z",
        "target_user_ids": [7, 12],
        "target_pool_ids": [3],
        "source_id": "shop:early-2026",
    },
    request_only=True,
)
_MOVES = [
    OpenApiExample("Activate", {"status": "active"}, request_only=True),
    OpenApiExample("End", {"status": "ended", "reason": "Sold out"}, request_only=True),
]


class PromotionViewSet(PromotionsViewSet):
    """What runs when and for whom. Customers see what is active and open to them."""

    queryset = Promotion.objects.all()
    filter_backends = (StrictBackend,)
    filterset_class = PromotionFilters
    bodies = {
        "create": PromotionIn,
        "partial_update": PromotionIn,
        "change_status": StatusIn,
        "pause": ReasonIn,
        "resume": ReasonIn,
    }
    refusals = {
        "create": ("invalid_time_range",),
        "partial_update": ("field_locked", "invalid_time_range"),
        "destroy": ("promotion_in_use",),
        "change_status": ("invalid_transition",),
        "pause": ("promotion_not_active", "promotion_ended"),
        "resume": ("promotion_not_active", "promotion_ended"),
    }
    access = {
        "list": Permission.PROMOTIONS_READ,
        "retrieve": Permission.PROMOTIONS_READ,
        "create": Permission.PROMOTIONS_WRITE,
        "partial_update": Permission.PROMOTIONS_WRITE,
        "destroy": Permission.PROMOTIONS_WRITE,
        "change_status": Permission.PROMOTIONS_WRITE,
        "pause": Permission.PROMOTIONS_WRITE,
        "resume": Permission.PROMOTIONS_WRITE,
    }

    def shown(self, promotion_id: int, status: int = 200) -> Response:
        shape = CustomerPromotionOut if self.own_only else PromotionOut
        promotion = selectors.get_promotion(promotion_id, by_customer=self.only_of)
        return self.answer(shape, promotion, status)

    @extend_schema(summary="Promotions", responses=PromotionOut(many=True))
    def list(self, request: Request) -> Response:
        shape = CustomerPromotionOut if self.own_only else PromotionOut
        promotions = selectors.readable(by_customer=self.only_of).order_by("-id")
        return self.page(shape, self.filter_queryset(promotions))

    @extend_schema(summary="One promotion", responses=PromotionOut)
    def retrieve(self, request: Request, promotion_id: int) -> Response:
        return self.shown(promotion_id)

    @extend_schema(
        summary="Make a draft",
        description="Naming an audience makes it targeted, unless `is_targeted` is false: that is "
        "a contradiction and refused.",
        responses={201: PromotionOut},
        examples=[_NEW, _AIMED],
    )
    def create(self, request: Request) -> Response:
        promotion = services.create_promotion(**self.body())
        return self.shown(promotion.pk, status=201)

    @extend_schema(
        summary="Edit a promotion",
        description="A draft: everything. Active: name and description. Ended: nothing. A field "
        "sent with its stored value is no edit; a locked one is refused with `field_locked` and "
        "nothing changes. A list of ids replaces the stored one.",
        responses=PromotionOut,
    )
    def partial_update(self, request: Request, promotion_id: int) -> Response:
        changes = self.body(partial=True)
        services.update_promotion(promotion_id, changes=changes)
        return self.shown(promotion_id)

    @extend_schema(summary="Delete a draft", responses={204: None})
    def destroy(self, request: Request, promotion_id: int) -> Response:
        services.delete_promotion(promotion_id)
        return Response(status=204)

    @extend_schema(
        summary="Activate or end a promotion",
        description="draft -> active -> ended. The status it has already is no change.",
        responses=PromotionOut,
        examples=_MOVES,
    )
    def change_status(self, request: Request, promotion_id: int) -> Response:
        services.change_status(promotion_id, **self.body())
        return self.shown(promotion_id)

    @extend_schema(
        summary="Pause an active promotion",
        description="One that is paused already keeps its first time and reason.",
        responses=PromotionOut,
    )
    def pause(self, request: Request, promotion_id: int) -> Response:
        services.pause(promotion_id, **self.body())
        return self.shown(promotion_id)

    @extend_schema(
        summary="Resume a paused promotion",
        description="One that is not paused stays as it is.",
        responses=PromotionOut,
    )
    def resume(self, request: Request, promotion_id: int) -> Response:
        services.resume(promotion_id, **self.body())
        return self.shown(promotion_id)
