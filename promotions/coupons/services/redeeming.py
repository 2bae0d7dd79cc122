"""Coupons used, and uses given back.

Which row is the truth: `CouponRedemption`; inserting it is the use. Its trigger locks what the user
has of the book, then the coupon, judges by the clock after that, and moves both. A discount is
granted after it in the same transaction: its day and its budget are locked last. A crash before the
commit leaves nothing of it; a client frozen past the deadline of its lock or of the book is refused
by the commit.
"""

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts import audit
from accounts.errors import UserNotFound
from promopulse.lib.errors import Invalid
from promopulse.lib.sql import fetch_one
from promotions.coupons import metrics, rules, tokens
from promotions.coupons.errors import RedemptionNotFound
from promotions.coupons.models import Coupon, CouponBook, CouponRedemption, CouponReversal
from promotions.coupons.services.finding import find, promptly
from promotions.discounts import services as discounts
from promotions.discounts.errors import AlreadyReversed
from promotions.discounts.models import Redemption

_REDEEM = """
INSERT INTO coupons_couponredemption
    (coupon_id, book_id, user_id, order_id, metadata, lock_token_hash)
SELECT %(coupon)s, %(book)s, id, %(order_id)s, %(metadata)s::jsonb, %(token)s
FROM accounts_user WHERE id = %(user)s AND erased_at IS NULL
RETURNING id
"""
_REVERSE = """
INSERT INTO coupons_couponreversal (redemption_id, reason)
SELECT id, %(reason)s FROM coupons_couponredemption WHERE id = %(id)s
RETURNING id
"""


@dataclass(frozen=True)
class Cart:
    """What a discount is taken off; `currency` None is the promotion's."""

    value: Decimal
    delivery_charge: Decimal = Decimal(0)
    currency: str | None = None


@dataclass(frozen=True)
class Redeemed:
    """A use, the coupon as it is after it, and the discount its book's promotion gave."""

    redemption: CouponRedemption
    coupon: Coupon
    discount: Redemption | None


def redeem(
    code: str,
    *,
    user_id: int,
    lock_token: str | None = None,
    metadata: dict[str, Any] | None = None,
    order_id: str | None = None,
    cart: Cart | None = None,
    by_holder: bool = False,
) -> Redeemed:
    """Use a coupon once, for this user. Where its book has a promotion, the cart is needed: a
    discount that is refused refuses the use, one that the budget cuts short does not.

    `by_holder` as for `lock`. Raises UserNotFound, CouponNotFound, CouponRedeemed, CouponExpired,
    CouponNotAssigned, CouponLocked, LockTokenMismatch, BookInactive, MaxRedemptionsExceeded,
    ConcurrentRedemption, Invalid, or what discounts.services.grant raises.
    """
    order_id = rules.order_id(order_id)
    with promptly("redeem"):
        coupon = find(code, user_id=user_id, by_holder=by_holder)
        row = fetch_one(
            _REDEEM,
            {
                "coupon": coupon.pk,
                "book": coupon.book_id,
                "user": user_id,
                "order_id": order_id,
                "metadata": rules.metadata_text(metadata or {}),
                "token": tokens.digest(lock_token) if lock_token else None,
            },
        )
        if row is None:
            raise UserNotFound()
        redemption = CouponRedemption.objects.get(pk=row[0])
        # After every row of the coupon: it locks the day and, last, the budget.
        discount = _granted(coupon.book, redemption, cart)
        coupon.refresh_from_db(fields=["state", "uses", "redeemed_at", "locked_until"])
        audit.record(
            "coupon.redeem",
            coupon,
            after={"redemption_id": redemption.pk, "user_id": user_id, "order_id": order_id},
        )
        metrics.counted(metrics.REDEEMED)
        return Redeemed(redemption, coupon, discount)


def _granted(
    book: CouponBook, redemption: CouponRedemption, cart: Cart | None
) -> Redemption | None:
    if book.promotion_id is None:
        return None
    if cart is None:
        raise Invalid("cart_value", "The book's discount needs the value of the cart.", "required")
    discount = discounts.grant(
        promotion_id=book.promotion_id,
        user_id=redemption.user_id,
        cart_value=cart.value,
        delivery_charge=cart.delivery_charge,
        currency=cart.currency,
        order_id=redemption.order_id,
    )
    CouponRedemption.objects.filter(pk=redemption.pk).update(discount=discount)
    redemption.discount = discount
    return discount


def reverse(redemption_id: int, *, reason: str = "") -> CouponReversal:
    """Give a use back, once, and what is left of its discount.

    Raises RedemptionNotFound, AlreadyReversed or ConcurrentRedemption.
    """
    reason = rules.reason(reason)
    with promptly("reverse"):
        row = fetch_one(_REVERSE, {"id": redemption_id, "reason": reason})
        if row is None:
            raise RedemptionNotFound()
        reversal = CouponReversal.objects.select_related("redemption__coupon").get(pk=row[0])
        if reversal.redemption.discount_id is not None:
            # All of it may have been given back before, by itself.
            with suppress(AlreadyReversed):
                discounts.reverse(reversal.redemption.discount_id, reason=reason)
        audit.record(
            "coupon.reverse",
            reversal.redemption.coupon,
            after={"redemption_id": redemption_id},
            reason=reason,
        )
        metrics.counted(metrics.REVERSED)
        return reversal
