"""What is in a person's wallet: their coupons by what can be done with them, as of one moment."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from promopulse.lib.sql import fetch_one
from promotions.coupons import selectors
from promotions.coupons.errors import CouponNotFound
from promotions.coupons.models import BookUser, Coupon
from promotions.coupons.services.finding import clock, find
from promotions.coupons.states import State

# The twin of states.state_at.
_COUNTS = """
WITH clock AS MATERIALIZED (SELECT coupons_clock() AS at), held AS (
    SELECT CASE
        WHEN coupon.state = 'REDEEMED' THEN 'REDEEMED'
        WHEN coupon.state = 'EXPIRED' OR book.expires_at <= clock.at THEN 'EXPIRED'
        WHEN coupon.state = 'LOCKED' AND coupon.locked_until > clock.at THEN 'LOCKED'
        ELSE 'ASSIGNED' END AS state
    FROM coupons_coupon coupon JOIN coupons_couponbook book ON book.id = coupon.book_id, clock
    WHERE coupon.assigned_to_id = %(user)s
)
SELECT (SELECT at FROM clock), count(*) FILTER (WHERE state = 'ASSIGNED'),
    count(*) FILTER (WHERE state = 'LOCKED'), count(*) FILTER (WHERE state = 'REDEEMED'),
    count(*) FILTER (WHERE state = 'EXPIRED')
FROM held
"""


@dataclass(frozen=True)
class Counts:
    """How many coupons somebody has in which state at `at`."""

    at: datetime
    available: int
    locked: int
    redeemed: int
    expired: int

    @property
    def total(self) -> int:
        return self.available + self.locked + self.redeemed + self.expired


def counts(user_id: int) -> Counts:
    """Their coupons by state, by the clock that coupons are judged by."""
    return Counts(*fetch_one(_COUNTS, {"user": user_id}))


def coupons(user_id: int, *, at: datetime, state: State | None = None) -> QuerySet[Coupon]:
    """Their coupons with all that a card of one says. `used` is how often they used the book."""
    mine = BookUser.objects.filter(book_id=OuterRef("book_id"), user_id=OuterRef("assigned_to_id"))
    return (
        selectors.coupons_of_user(user_id, at=at, state=state)
        .select_related("book__promotion__discount", "book__promotion__budget")
        .annotate(used=Subquery(mine.values("redeemed")))
    )


def with_code(code: str, *, user_id: int) -> Coupon:
    """The coupon with a code that somebody typed: their own, or a public one. With all that a card
    says, as in `coupons`. Raises CouponNotFound, alike for unknown codes and those of others.
    """
    found = find(code, user_id=user_id, by_holder=True)
    mine = BookUser.objects.filter(book_id=OuterRef("book_id"), user_id=user_id)
    return (
        Coupon.objects.select_related("book__promotion__discount", "book__promotion__budget")
        .annotate(used=Subquery(mine.values("redeemed")))
        .get(pk=found.pk)
    )


def coupon(user_id: int, coupon_id: int) -> Coupon:
    """One of their coupons. Raises CouponNotFound, also for somebody else's."""
    found = coupons(user_id, at=clock()).filter(pk=coupon_id).first()
    if found is None:
        raise CouponNotFound()
    return found
