"""Each invariant holds after a life in all its turns, and each can fail."""

from datetime import timedelta

import pytest
from django.db import connection

from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib.invariants import violations
from promotions.coupons import metrics
from promotions.coupons.errors import CouponRedeemed
from promotions.coupons.invariants import INVARIANTS
from promotions.coupons.services import assigning, distributing, holding, redeeming, tidying
from promotions.coupons.tests.factories import BookFactory, held, made, named

pytestmark = pytest.mark.django_db


def found():
    return [(one.number, violations(one)) for one in INVARIANTS]


@pytest.fixture
def lived(clock, ended):
    """Codes in every state, a distribution and one undone, a reversal, an ended book."""
    book = BookFactory(
        allow_multi_redemption=True, max_redemptions_per_user=3, max_assignments_per_user=4
    )
    pool, user = PoolFactory(), UserFactory()
    add_users(pool.pk, user_ids=[user.pk, UserFactory().pk])
    made(book, 30, max_redemptions=2)
    assigning.assign(book.pk, user_id=user.pk)
    for _ in range(2):
        done = distributing.distribute(pool.pk, book_id=book.pk, mode="equal", coupons_per_user=1)
    distributing.undo(done.distribution.pk)
    first, second = held(user, book), held(user, book)
    redeeming.redeem(first.code, user_id=user.pk)
    use = redeeming.redeem(second.code, user_id=user.pk).redemption
    redeeming.reverse(use.pk)
    holding.lock(second.code, user_id=user.pk, seconds=600)
    public = BookFactory(requires_assignment=False)
    (code,) = named(public, "SUMMER20")
    redeeming.redeem(code.code, user_id=user.pk)
    over = held()
    ended(over.book)
    tidying.expire_ended_books()
    clock(timedelta(seconds=1))
    return book


def test_they_hold_after_a_life_in_all_its_turns(lived):
    assert found() == [(one.number, 0) for one in INVARIANTS]


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("UPDATE coupons_coupon SET uses = uses + 1 WHERE state = 'LOCKED'", {6}),
        ("DELETE FROM coupons_couponreversal", {6, 7}),
        ("UPDATE coupons_bookuser SET assigned = assigned + 1", {7}),
        ("UPDATE coupons_bookuser SET redeemed = redeemed + 1", {7}),
        ("UPDATE coupons_couponbook SET max_assignments_per_user = 1", {7}),
        ("UPDATE coupons_couponbook SET max_redemptions_per_user = 0", {7}),
        ("UPDATE coupons_booktally SET unassigned = unassigned - 1", {7}),
        ("UPDATE coupons_codebatch SET done = done - 1", {7}),
        ("UPDATE coupons_coupon SET locked_until = NULL WHERE state = 'LOCKED'", {8}),
        ("UPDATE coupons_coupon SET assigned_at = NULL WHERE state = 'ASSIGNED'", {8}),
        ("UPDATE coupons_couponbook SET expires_at = NULL", {8}),
        ("UPDATE coupons_distribution SET assigned = assigned + 1", {8}),
    ],
)
def test_each_can_fail(lived, damage, broken):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("coupon", "bookuser", "couponbook", "booktally", "codebatch"):
            free(cursor, f"coupons_{table}")
        for table in ("couponreversal", "distribution"):
            free(cursor, f"coupons_{table}")
        cursor.execute(damage)
    assert {number for number, wrong in found() if wrong} >= broken


def free(cursor, table):
    """Take a table's guards away."""
    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    cursor.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass",
        [table],
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def test_prometheus_is_told_what_is_left(lived):
    (gauge,) = metrics.Books().collect()
    left = {sample.labels["book"]: sample.value for sample in gauge.samples}
    # 30 codes: one assigned, two distributed for good; two of its own are somebody's.
    assert left[str(lived.pk)] == 27


def test_prometheus_counts_refusals_by_reason():
    def refused():
        counter = metrics.REFUSED.labels("redeem", "coupon_redeemed")
        return counter._value.get()

    coupon, before = held(), refused()
    redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id)
    with pytest.raises(CouponRedeemed):
        redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id)
    assert refused() == before + 1
