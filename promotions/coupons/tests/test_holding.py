"""Lock, unlock, force: who may, until when, by which token."""

import hashlib
from datetime import timedelta

import pytest

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from promopulse.lib.errors import Invalid
from promopulse.lib.time import db_now
from promotions.coupons.errors import (
    BookInactive,
    CouponAlreadyLocked,
    CouponExpired,
    CouponNotAssigned,
    CouponNotFound,
    CouponRedeemed,
    LockTokenMismatch,
)
from promotions.coupons.models import Coupon
from promotions.coupons.services import holding, redeeming, tidying
from promotions.coupons.states import State
from promotions.coupons.tests.factories import BookFactory, held, made

pytestmark = pytest.mark.django_db


def lock(coupon, **options):
    return holding.lock(coupon.code, user_id=coupon.assigned_to_id, **options)


def unlock(coupon, token):
    return holding.unlock(coupon.code, user_id=coupon.assigned_to_id, lock_token=token)


def stored(coupon):
    return Coupon.objects.get(pk=coupon.pk)


def test_a_lock_keeps_only_the_hash_of_its_token():
    coupon = held()
    lock_ = lock(coupon, seconds=60)
    row = stored(coupon)
    assert row.state == State.LOCKED
    assert timedelta(seconds=50) < row.locked_until - db_now() <= timedelta(seconds=60)
    assert bytes(row.lock_token_hash) == hashlib.sha256(lock_.token.encode()).digest()
    assert lock_.locked_until == row.locked_until
    assert lock_.token not in str(AuditEntry.objects.get(action="coupon.lock").after)


def test_a_second_lock_is_refused_and_changes_nothing():
    coupon = held()
    first = lock(coupon)
    before = stored(coupon).lock_token_hash
    with pytest.raises(CouponAlreadyLocked) as refused:
        lock(coupon)
    assert refused.value.detail == "Already locked"
    assert stored(coupon).lock_token_hash == before
    assert unlock(coupon, first.token).state == State.ASSIGNED
    assert stored(coupon).state == State.ASSIGNED


def test_a_lapsed_lock_is_taken_over_with_nobody_tidying(clock):
    coupon = held()
    old = lock(coupon, seconds=1)
    clock(timedelta(seconds=2))
    assert stored(coupon).state == State.LOCKED
    new = lock(coupon, seconds=60)
    for act in (
        lambda: unlock(coupon, old.token),
        lambda: redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id, lock_token=old.token),
    ):
        with pytest.raises(LockTokenMismatch):
            act()
    done = redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id, lock_token=new.token)
    assert done.coupon.state == State.REDEEMED


def test_the_token_of_a_lapsed_lock_is_refused_though_nobody_took_it_over(clock):
    coupon = held()
    old = lock(coupon, seconds=1)
    clock(timedelta(seconds=2))
    for act in (
        lambda: unlock(coupon, old.token),
        lambda: redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id, lock_token=old.token),
    ):
        with pytest.raises(LockTokenMismatch):
            act()
    assert redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id).coupon.uses == 1


@pytest.mark.parametrize("token", ["", "wrong", "\N{SNOWMAN}"])
def test_a_wrong_token_opens_nothing(token):
    coupon = held()
    lock(coupon)
    with pytest.raises(LockTokenMismatch):
        unlock(coupon, token)
    assert stored(coupon).state == State.LOCKED


def test_a_lock_ends_with_its_book():
    coupon = held()
    coupon.book.expires_at = db_now() + timedelta(seconds=30)
    coupon.book.save()
    assert lock(coupon, seconds=600).locked_until == coupon.book.expires_at


def test_what_cannot_be_locked(ended):
    (free,) = made(BookFactory())
    user = UserFactory()
    with pytest.raises(CouponNotAssigned):
        holding.lock(free.code, user_id=user.pk)
    with pytest.raises(CouponNotFound):
        holding.lock(free.code, user_id=user.pk, by_holder=True)
    used = held()
    redeeming.redeem(used.code, user_id=used.assigned_to_id)
    for act in (lambda: lock(used), lambda: unlock(used, "x")):
        with pytest.raises(CouponRedeemed) as refused:
            act()
        assert refused.value.detail == "Invalid transition"
    over = held()
    ended(over.book)
    for act in (lambda: lock(over), lambda: unlock(over, "x")):
        with pytest.raises(CouponExpired):
            act()
    off = held()
    off.book.is_active = False
    off.book.save()
    with pytest.raises(BookInactive):
        lock(off)
    for seconds in (0, 3_601):
        with pytest.raises(Invalid):
            lock(held(), seconds=seconds)


def test_somebody_elses_coupon_is_as_good_as_unknown():
    coupon, stranger = held(), UserFactory()
    for code in (coupon.code, "NOSUCHCODE", "", "\N{SNOWMAN}"):
        for act in (
            lambda code=code: holding.lock(code, user_id=stranger.pk),
            lambda code=code: holding.unlock(code, user_id=stranger.pk, lock_token="x"),
            lambda code=code: redeeming.redeem(code, user_id=stranger.pk),
        ):
            with pytest.raises(CouponNotFound) as refused:
                act()
            assert refused.value.params == {}


def test_ops_force_with_a_reason():
    coupon = held()
    lock(coupon)
    with pytest.raises(Invalid):
        holding.force_unlock(coupon.code, reason=" ")
    assert stored(coupon).state == State.LOCKED
    assert holding.force_unlock(coupon.code, reason="The till crashed").state == State.ASSIGNED
    entry = AuditEntry.objects.get(action="coupon.force_unlock")
    assert (entry.object_id, entry.reason) == (coupon.pk, "The till crashed")
    assert holding.force_unlock(coupon.code, reason="Again").state == State.ASSIGNED
    assert AuditEntry.objects.filter(action="coupon.force_unlock").count() == 1


def test_tidying_makes_rows_what_they_read_as(clock, ended):
    lapsing, lasting, over = held(), held(), held()
    lock(lapsing, seconds=1)
    lock(lasting, seconds=600)
    made(over.book, 3)
    lock(over, seconds=600)
    ended(over.book)
    clock(timedelta(seconds=2))
    assert tidying.count_lapsed() == 1
    assert tidying.release_lapsed_locks() == 1
    assert (stored(lapsing).state, stored(lasting).state) == (State.ASSIGNED, State.LOCKED)
    assert tidying.expire_ended_books() == 4
    assert set(over.book.coupons.values_list("state", flat=True)) == {State.EXPIRED}
    assert (tidying.release_lapsed_locks(), tidying.expire_ended_books()) == (0, 0)
