"""Discounts given: at once, or held first; and given back."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiViewSet
from accounts.api.throttles import per_caller
from accounts.errors import UserNotFound
from accounts.roles import Permission
from promopulse.lib.fields import MAX_ID
from promopulse.lib.pagination import Keyset
from promotions.discounts import selectors, services
from promotions.discounts.api.shapes import (
    ApplyIn,
    CaptureIn,
    NothingIn,
    RedemptionOut,
    RedemptionsQuery,
    ReservationOut,
    ReserveIn,
    ReversalOut,
    ReverseIn,
    UsageQuery,
)
from promotions.discounts.errors import OF_A_CAPTURE, OF_A_GRANT
from promotions.discounts.models import Redemption, Reservation

_CART = {"campaign_id": 3, "customer_id": 7, "cart_value": "120.00", "delivery_charge": "4.90"}
_APPLY = OpenApiExample(
    "At checkout", {**_CART, "currency": "EUR", "order_id": "order-1001"}, request_only=True
)
_RESERVE = OpenApiExample("While somebody pays", {**_CART, "ttl_seconds": 600}, request_only=True)
_CAPTURE = OpenApiExample("Paid", {"order_id": "order-1001"}, request_only=True)
_PART = OpenApiExample(
    "One item came back", {"amount": "5.00", "reason": "One item returned"}, request_only=True
)
_GRANTED = OpenApiExample(
    "Twelve off",
    {
        "id": 41,
        "campaign_id": 3,
        "customer_id": 7,
        "currency": "EUR",
        "cart_value": "120.00",
        "delivery_charge": "4.90",
        "original_amount": "120.00",
        "discount_amount": "12.00",
        "final_amount": "108.00",
        "limited_by": "",
        "reversed_amount": "0.00",
        "order_id": "order-1001",
        "reservation_id": None,
        "granted_at": "2026-06-02T08:00:00.123456Z",
    },
    response_only=True,
)
_GRANT_CODES = tuple(kind.code for kind in OF_A_GRANT)
_CAPTURE_CODES = tuple(kind.code for kind in OF_A_CAPTURE)


class GrantViewSet(ApiViewSet):
    """The two calls that take a customer's use of the day and a campaign's money."""

    queryset = Redemption.objects.all()
    bodies = {"apply": ApplyIn, "reserve": ReserveIn}
    refusals = {
        "apply": _GRANT_CODES,
        "reserve": tuple(code for code in _GRANT_CODES if code != "order_already_redeemed"),
    }
    one_statement = {
        "apply": (RedemptionOut, selectors.as_granted),
        "reserve": (ReservationOut, selectors.as_held),
    }
    access = {"apply": Permission.APPLY, "reserve": Permission.APPLY}
    throttle_classes = (per_caller("apply"),)

    @extend_schema(
        summary="Give a discount on a cart",
        description="All of it, or what the budget has left: then `limited_by` is budget. Refusals "
        "are told in this order: paused, not started, ended or expired, currency, not targeted, "
        "minimum cart, nothing to discount, daily limit, budget.",
        responses={201: RedemptionOut},
        examples=[_APPLY, _GRANTED],
    )
    def apply(self, request: Request) -> Response:
        body = self.body()
        self.must_be_own(body["user_id"])
        return self.answer(RedemptionOut, services.grant(**body, claim=self.claim), status=201)

    @extend_schema(
        summary="Hold a discount while somebody pays",
        description="Money and the day's use are held until it is captured, released or expired. "
        "Refused like `discounts/apply`, and limited together with it.",
        responses={201: ReservationOut},
        examples=[_RESERVE],
    )
    def reserve(self, request: Request) -> Response:
        body = self.body()
        self.must_be_own(body["user_id"])
        held = services.reserve(**body, claim=self.claim)
        return self.answer(ReservationOut, held, status=201)


class ReservationViewSet(ApiViewSet):
    """Discounts that are held."""

    queryset = Reservation.objects.all()
    bodies = {"capture": CaptureIn, "release": NothingIn}
    one_statement = {
        "capture": (RedemptionOut, selectors.as_granted),
        "release": (ReservationOut, selectors.as_released),
    }
    refusals = {
        "capture": _CAPTURE_CODES,
        "release": ("reservation_expired", "reservation_closed"),
    }
    access = {
        "retrieve": Permission.RESERVATIONS_READ,
        "capture": Permission.APPLY,
        "release": Permission.APPLY,
    }

    @extend_schema(summary="One reservation", responses=ReservationOut)
    def retrieve(self, request: Request, reservation_id: int) -> Response:
        held = selectors.get_reservation(reservation_id, of_user=self.only_of)
        return self.answer(ReservationOut, held)

    @extend_schema(
        summary="Turn what is held into a redemption",
        description="At the price and on the day it was held, whatever the campaign does by now.",
        responses=RedemptionOut,
        examples=[_CAPTURE],
    )
    def capture(self, request: Request, reservation_id: int) -> Response:
        redemption = services.capture(
            reservation_id, of_user=self.only_of, claim=self.claim, **self.body()
        )
        return self.answer(RedemptionOut, redemption)

    @extend_schema(summary="Give back what is held", responses=ReservationOut)
    def release(self, request: Request, reservation_id: int) -> Response:
        self.body()
        held = services.release(reservation_id, of_user=self.only_of, claim=self.claim)
        return self.answer(ReservationOut, held)


class RedemptionViewSet(ApiViewSet):
    """Discounts that were granted, newest first."""

    queryset = Redemption.objects.all()
    pagination_class = Keyset
    bodies = {"reverse": ReverseIn}
    refusals = {"reverse": ("already_reversed",)}
    access = {
        "list": Permission.REDEMPTIONS_READ,
        "usage": Permission.REDEMPTIONS_READ,
        "retrieve": Permission.REDEMPTIONS_READ,
        "reverse": Permission.REVERSE,
    }

    @extend_schema(
        summary="Redemptions, newest first",
        parameters=[RedemptionsQuery],
        responses=RedemptionOut(many=True),
    )
    def list(self, request: Request) -> Response:
        wanted = self.query(RedemptionsQuery)
        if (own := self.only_of) is not None:
            self.must_be_own(wanted.setdefault("of_user", own))
        return self.page(RedemptionOut, selectors.redemptions(**wanted))

    @extend_schema(
        summary="What a customer was granted, newest first",
        parameters=[UsageQuery],
        responses=RedemptionOut(many=True),
    )
    def usage(self, request: Request, customer_id: int) -> Response:
        self.must_be_own(customer_id)
        if customer_id > MAX_ID:  # nobody's; anybody else's list may be empty
            raise UserNotFound()
        wanted = self.query(UsageQuery)
        return self.page(RedemptionOut, selectors.redemptions(of_user=customer_id, **wanted))

    @extend_schema(summary="One redemption", responses=RedemptionOut)
    def retrieve(self, request: Request, redemption_id: int) -> Response:
        redemption = selectors.get_redemption(redemption_id, of_user=self.only_of)
        return self.answer(RedemptionOut, redemption)

    @extend_schema(
        summary="Give a redemption back, all or part of it",
        description="The money returns to the budget, the day's use with the last of it. The order "
        "id stays used.",
        responses={201: ReversalOut},
        examples=[_PART],
    )
    def reverse(self, request: Request, redemption_id: int) -> Response:
        reversal = services.reverse(redemption_id, **self.body())
        return self.answer(ReversalOut, reversal, status=201)
