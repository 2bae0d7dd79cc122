"""Coupons: look at one, assign, lock, unlock, redeem, reverse."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors as accounts
from accounts.principals import is_service, reach_of
from accounts.roles import Permission, Reach
from promopulse.lib.errors import Invalid
from promopulse.lib.pagination import Keyset
from promotions.api.serializers import HistoryEntryOut, ReasonIn
from promotions.coupons import rules, selectors
from promotions.coupons.api.base import CouponApiViewSet
from promotions.coupons.api.coupon_serializers import (
    AssignCodeIn,
    AssignedOut,
    AssignIn,
    CouponRedemptionOut,
    CouponReversalOut,
    LockIn,
    LockOut,
    RedeemIn,
    UnlockIn,
    UserCouponsQuery,
)
from promotions.coupons.api.serializers import CouponOut
from promotions.coupons.guessing import guesses_limited
from promotions.coupons.models import Coupon
from promotions.coupons.services import assigning, holding, redeeming
from promotions.coupons.services.finding import find
from promotions.coupons.services.redeeming import Cart

_STATES = ("coupon_not_found", "coupon_redeemed", "coupon_expired", "coupon_not_assigned")
_LIVE = (*_STATES, "book_inactive", "concurrent_redemption", "rate_limited")


class CouponViewSet(CouponApiViewSet):
    """One coupon by its code, in any letter case, with or without dashes and spaces."""

    queryset = Coupon.objects.all()
    pagination_class = Keyset
    access = {
        "retrieve": Permission.COUPONS_READ,
        "history": Permission.COUPONS_READ,
        "assign": Permission.ASSIGN,
        "assign_code": Permission.ASSIGN,
        "lock": Permission.HANDLE_COUPON,
        "unlock": Permission.UNLOCK,
        "redeem": Permission.HANDLE_COUPON,
        "reverse": Permission.REVERSE,
    }
    bodies = {
        "assign": AssignIn,
        "assign_code": AssignCodeIn,
        "lock": LockIn,
        "unlock": UnlockIn,
        "redeem": RedeemIn,
        "reverse": ReasonIn,
    }
    refusals = {
        "retrieve": ("coupon_not_found", "rate_limited"),
        "history": ("coupon_not_found", "rate_limited"),
        "assign": (
            "book_exhausted", "book_inactive", "coupon_expired", "max_assignments_exceeded",
            "concurrent_redemption", "not_found", "idempotency_key_reused",
        ),
        "assign_code": (
            "coupon_not_found", "coupon_not_available", "book_inactive", "coupon_expired",
            "max_assignments_exceeded", "concurrent_redemption", "rate_limited",
        ),
        "lock": (*_LIVE, "coupon_already_locked"),
        "unlock": (*_STATES, "lock_token_mismatch", "concurrent_redemption", "rate_limited"),
        "redeem": (
            *_LIVE, "coupon_locked", "lock_token_mismatch", "max_redemptions_exceeded",
            "promotion_not_active", "promotion_not_started", "promotion_ended",
            "promotion_paused", "promotion_expired", "currency_mismatch", "not_targeted",
            "min_cart_value_not_met", "daily_limit_reached", "budget_exhausted",
            "nothing_to_discount", "order_already_redeemed",
        ),
        "reverse": ("already_reversed", "concurrent_redemption"),
    }  # fmt: skip

    @extend_schema(
        summary="One coupon",
        description="Codes are masked for those who may not redeem them. An unknown code and "
        "another person's answer alike, and looks that fail are limited.",
        responses=CouponOut,
    )
    def retrieve(self, request: Request, code: str) -> Response:
        return self.answer(CouponOut, self._seen(code))

    @extend_schema(
        summary="What was done to a coupon, newest first", responses=HistoryEntryOut(many=True)
    )
    def history(self, request: Request, code: str) -> Response:
        return self.page(HistoryEntryOut, selectors.history(self._seen(code)))

    def _seen(self, code: str) -> Coupon:
        own = self.request.user.pk if self.own_only else None
        with guesses_limited(*self.guessers(own)):
            return find(code, user_id=own, by_holder=self.own_only)

    @extend_schema(
        operation_id="coupons_assign",
        summary="Give a user random coupons of a book",
        description="All or none. Every free code is as likely.",
        responses={201: AssignedOut},
        examples=[
            OpenApiExample("Two", {"book_id": 3, "user_id": 7, "count": 2}, request_only=True),
            OpenApiExample(
                "Under your own id",
                {"book_id": 3, "user_id": 7, "source_id": "order-4711"},
                request_only=True,
            ),
        ],
    )
    def assign(self, request: Request) -> Response:
        body = self.body()
        given = assigning.assign(body.pop("book_id"), **body)
        shown = {"book_id": given[0].book_id, "user_id": body["user_id"], "coupons": given}
        return self.answer(AssignedOut, shown, status=201)

    @extend_schema(
        operation_id="coupons_assign_code", summary="Give a user this coupon", responses=CouponOut
    )
    def assign_code(self, request: Request, code: str) -> Response:
        user_id = self.body()["user_id"]
        with guesses_limited(*self.guessers(user_id)):
            return self.answer(CouponOut, assigning.assign_code(code, user_id=user_id))

    @extend_schema(
        summary="Hold a coupon at a checkout",
        description="`lock_token` is in this answer and never again. A lock ends by itself, at the "
        "end of its book at the latest.",
        responses=LockOut,
        examples=[
            OpenApiExample(
                "Ten minutes", {"user_id": 7, "lock_duration_seconds": 600}, request_only=True
            )
        ],
    )
    def lock(self, request: Request, code: str) -> Response:
        body = self.body()
        user_id = self.acts_for(body)
        seconds = body.get("lock_duration_seconds", rules.DEFAULT_LOCK)
        with guesses_limited(*self.guessers(user_id)):
            lock = holding.lock(code, user_id=user_id, seconds=seconds, by_holder=self.own_only)
        lock.coupon.lock_token = lock.token  # type: ignore[attr-defined]
        return self.answer(LockOut, lock.coupon)

    @extend_schema(
        summary="Let a coupon go",
        description="With the token of its lock; ops and admins may force it with a reason.",
        responses=CouponOut,
        examples=[
            OpenApiExample("With its token", {"user_id": 7, "lock_token": "..."}),
            OpenApiExample("Forced", {"reason": "The till crashed"}, request_only=True),
        ],
    )
    def unlock(self, request: Request, code: str) -> Response:
        body = self.body()
        token, reason = body.get("lock_token"), body.get("reason", "")
        if self._forces(reason):
            with guesses_limited(*self.guessers()):
                return self.answer(CouponOut, holding.force_unlock(code, reason=reason))
        user_id = self.acts_for(body)
        if token is None:
            raise Invalid("lock_token", "The token of the lock is needed.", "required")
        with guesses_limited(*self.guessers(user_id)):
            coupon = holding.unlock(
                code, user_id=user_id, lock_token=token, by_holder=self.own_only
            )
        return self.answer(CouponOut, coupon)

    def _forces(self, reason: str) -> bool:
        """Ops hold no tokens; an admin forces by saying why."""
        if self.own_only or is_service(self.request.user):
            return False
        return bool(reason) or reach_of(self.request.user, Permission.HANDLE_COUPON) is Reach.NONE

    @extend_schema(
        summary="Use a coupon",
        description="Where the book belongs to a promotion its discount is granted in the same "
        "transaction: refused, it refuses the use; cut short by the budget, it does not.",
        responses={201: CouponRedemptionOut},
        examples=[
            OpenApiExample("Once", {"user_id": 7}, request_only=True),
            OpenApiExample(
                "Held, with a cart",
                {"user_id": 7, "lock_token": "...", "cart_value": "80.00", "order_id": "o-4711"},
                request_only=True,
            ),
        ],
    )
    def redeem(self, request: Request, code: str) -> Response:
        body = self.body()
        user_id = self.acts_for(body)
        cart = _cart(body)
        with guesses_limited(*self.guessers(user_id)):
            done = redeeming.redeem(
                code, user_id=user_id, cart=cart, by_holder=self.own_only, **body
            )
        return self.answer(CouponRedemptionOut, done, status=201)

    @extend_schema(
        operation_id="coupons_redemptions_reverse",
        summary="Give a use back, once, and its discount",
        responses={201: CouponReversalOut},
    )
    def reverse(self, request: Request, pk: int) -> Response:
        reversal = redeeming.reverse(pk, **self.body())
        return self.answer(CouponReversalOut, reversal, status=201)


def _cart(body: dict[str, Any]) -> Cart | None:
    value = body.pop("cart_value", None)
    delivery, currency = body.pop("delivery_charge"), body.pop("currency", None)
    return None if value is None else Cart(value, delivery, currency)


class UserCouponViewSet(CouponApiViewSet):
    """A person's coupons, newest first."""

    queryset = Coupon.objects.all()
    pagination_class = Keyset
    access = {"mine": Permission.SELF, "list": Permission.COUPONS_READ}

    @extend_schema(
        operation_id="users_me_coupons",
        summary="My coupons, newest first",
        parameters=[UserCouponsQuery],
        responses=CouponOut(many=True),
    )
    def mine(self, request: Request) -> Response:
        return self._of(request.user.pk)

    @extend_schema(
        operation_id="users_coupons",
        summary="A person's coupons, newest first",
        parameters=[UserCouponsQuery],
        responses=CouponOut(many=True),
    )
    def list(self, request: Request, pk: int) -> Response:
        self.must_be_own(pk)
        accounts.user_by_id(pk)
        return self._of(pk)

    def _of(self, user_id: Any) -> Response:
        query = self.query(UserCouponsQuery)
        return self.page(CouponOut, selectors.coupons_of_user(user_id, at=self.at, **query))
