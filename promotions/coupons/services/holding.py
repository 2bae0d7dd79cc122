"""Coupons held at a checkout: lock, unlock, force.

Which row is the truth: the Coupon, with the hash of the token and the deadline of its lock. The row
is locked first, then the database's clock judges: a lock that has lapsed reads as ASSIGNED, whether
or not anybody has tidied it. A crash before the commit leaves the coupon as it was.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime

from accounts import audit
from promopulse.lib.errors import Invalid
from promopulse.lib.sql import fetch_one
from promotions.coupons import metrics, rules, tokens
from promotions.coupons.errors import BookInactive, LockTokenMismatch
from promotions.coupons.models import Coupon
from promotions.coupons.services.finding import find, holder_only, judge, locked, promptly
from promotions.coupons.states import Action, State


@dataclass(frozen=True)
class Lock:
    """A coupon held. `token` is shown this once."""

    coupon: Coupon
    token: str
    locked_until: datetime


_LOCK = """
UPDATE coupons_coupon coupon SET state = 'LOCKED', lock_token_hash = %(token)s,
    locked_until = LEAST(coupons_clock() + make_interval(secs => %(seconds)s), book.expires_at)
FROM coupons_couponbook book
WHERE coupon.id = %(id)s AND book.id = coupon.book_id
RETURNING coupon.locked_until
"""
_UNLOCK = """
UPDATE coupons_coupon SET state = 'ASSIGNED', lock_token_hash = NULL, locked_until = NULL
WHERE id = %(id)s RETURNING id
"""


def lock(
    code: str, *, user_id: int, seconds: int = rules.DEFAULT_LOCK, by_holder: bool = False
) -> Lock:
    """Hold a coupon of this user for so many seconds, at most until its book ends.

    `by_holder`: the user asks, who must not learn of codes that are nobody's. Raises
    CouponNotFound, CouponNotAssigned, CouponAlreadyLocked, CouponRedeemed, CouponExpired,
    BookInactive, ConcurrentRedemption or Invalid.
    """
    rules.whole("lock_duration_seconds", seconds, 1, rules.MAX_LOCK)
    with promptly("lock"):
        coupon = locked(find(code, user_id=user_id, by_holder=by_holder).pk)
        holder_only(coupon, user_id)
        judge(Action.LOCK, coupon)
        if not coupon.book.is_active:
            raise BookInactive()
        token = tokens.new()
        (coupon.locked_until,) = fetch_one(
            _LOCK, {"id": coupon.pk, "token": tokens.digest(token), "seconds": seconds}
        )
        coupon.state = State.LOCKED
        assert coupon.locked_until is not None
        audit.record(
            "coupon.lock",
            coupon,
            after={"user_id": user_id, "locked_until": coupon.locked_until},
        )
        metrics.counted(metrics.LOCKED)
        return Lock(coupon, token, coupon.locked_until)


def unlock(code: str, *, user_id: int, lock_token: str, by_holder: bool = False) -> Coupon:
    """Let a coupon go, with the token of its present lock.

    Raises CouponNotFound, CouponNotAssigned, LockTokenMismatch, CouponRedeemed, CouponExpired or
    ConcurrentRedemption.
    """
    with promptly("unlock"):
        coupon = locked(find(code, user_id=user_id, by_holder=by_holder).pk)
        holder_only(coupon, user_id)
        judge(Action.UNLOCK, coupon)
        if not hmac.compare_digest(bytes(coupon.lock_token_hash or b""), tokens.digest(lock_token)):
            raise LockTokenMismatch()
        _let_go(coupon, "coupon.unlock")
        return coupon


def force_unlock(code: str, *, reason: str) -> Coupon:
    """Let a coupon go without its token, for a reason. One that is not held stays as it is.

    Raises CouponNotFound, Invalid without a reason, or ConcurrentRedemption.
    """
    reason = rules.reason(reason)
    if not reason:
        raise Invalid("reason", "Say why it is unlocked.", "required")
    with promptly("unlock"):
        coupon = locked(find(code).pk)
        if coupon.state == State.LOCKED:
            _let_go(coupon, "coupon.force_unlock", reason)
        return coupon


def _let_go(coupon: Coupon, action: str, reason: str = "") -> None:
    before = {"locked_until": coupon.locked_until}
    fetch_one(_UNLOCK, {"id": coupon.pk})
    coupon.state, coupon.locked_until, coupon.lock_token_hash = State.ASSIGNED, None, None
    audit.record(action, coupon, before=before, reason=reason)
