"""How every action on one coupon begins: found by its code, seen by whom it may be, locked, judged.

Nobody waits long: a row that somebody else holds is waited for less than a second, then the answer
is 409 `concurrent_redemption`. A client that freezes in its transaction is ended by the server
after some seconds, so that what it holds is free again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg.errors
from django.db import OperationalError, transaction

from promopulse.lib.errors import DomainError
from promopulse.lib.refusals import heard
from promopulse.lib.sql import fetch_one
from promotions.coupons import codes, metrics, states
from promotions.coupons.errors import (
    BY_CODE,
    BookInactive,
    ConcurrentRedemption,
    CouponExpired,
    CouponNotFound,
    CouponRedeemed,
)
from promotions.coupons.models import Coupon, CouponBook
from promotions.coupons.states import Action, State
from promotions.coupons.triggers.common import rules_lock

_HELD_BY_OTHERS = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
# Two rows are locked on the longest path before a discount: never two seconds in all.
WAIT_MS, FROZEN_MS = 900, 5_000

# SQL: the rules of the book `%(book)s` stay until the transaction ends. Comes before what a user
# has of the book is held.
SHARED_RULES = rules_lock("{book}", shared=True).replace("%", "%%").format(book="%(book)s")

_PROMPTLY = """
SELECT set_config('lock_timeout', %(wait)s, true),
    set_config('idle_in_transaction_session_timeout', %(frozen)s, true)
"""


@contextmanager
def promptly(action: str, *, wait_ms: int = WAIT_MS, frozen_ms: int = FROZEN_MS) -> Iterator[None]:
    """A transaction that waits for nobody for long; the database's refusals become ours.

    Raises ConcurrentRedemption, and every kind of BY_CODE.
    """
    limits = {"wait": f"{wait_ms}ms", "frozen": f"{frozen_ms}ms"}
    try:
        with _waited_for(), heard(*BY_CODE.values()), transaction.atomic():
            fetch_one(_PROMPTLY, limits)
            yield
    except DomainError as refusal:
        metrics.REFUSED.labels(action, refusal.code).inc()
        raise


@contextmanager
def _waited_for() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, _HELD_BY_OTHERS):
            raise
        raise ConcurrentRedemption() from None


def clock() -> datetime:
    """The clock that coupons are judged by."""
    (at,) = fetch_one("SELECT coupons_clock()", {})
    assert isinstance(at, datetime)
    return at


def find(code: str, *, user_id: int | None = None, by_holder: bool = False) -> Coupon:
    """The coupon with this code, in any way of writing it.

    With a `user_id` one that is not somebody else's; `by_holder` also none that is nobody's, public
    ones apart. One query whatever the answer is. Raises CouponNotFound.
    """
    # A text that cannot be a code is looked for like any other.
    coupon = Coupon.objects.select_related("book").filter(code_key=codes.normalise(code)).first()
    if coupon is None or not _may_see(coupon, user_id, by_holder):
        raise CouponNotFound()
    return coupon


def _may_see(coupon: Coupon, user_id: int | None, by_holder: bool) -> bool:
    if coupon.assigned_to_id is None:
        return not by_holder or not coupon.book.requires_assignment
    return user_id is None or coupon.assigned_to_id == user_id


def holder_only(coupon: Coupon, user_id: int) -> None:
    """Raises CouponNotFound where the coupon has become somebody else's."""
    if coupon.assigned_to_id not in (None, user_id):
        raise CouponNotFound()


def locked(coupon_id: int) -> Coupon:
    """The coupon's row, held until the transaction ends, with its book as it is then."""
    coupon = Coupon.objects.select_for_update(no_key=True).get(pk=coupon_id)
    coupon.book = CouponBook.objects.get(pk=coupon.book_id)
    return coupon


def judge(action: Action, coupon: Coupon) -> None:
    """Raises what the state of a locked coupon refuses the action with, by the clock as it is."""
    state = coupon.state_at(clock())
    code = states.refusal(action, state, is_public=not coupon.book.requires_assignment)
    if code is None:
        return
    if state == State.REDEEMED and action in (Action.LOCK, Action.UNLOCK):
        raise CouponRedeemed("Invalid transition")
    raise BY_CODE[code]()


def check_open(book: CouponBook) -> None:
    """Raises CouponExpired for a book that has ended, BookInactive for one that is switched off."""
    if book.expires_at is not None and book.expires_at <= clock():
        raise CouponExpired("The book has ended.")
    if not book.is_active:
        raise BookInactive()
