"""Codes spread over a pool: planned, confirmed, all or nothing, undone."""

from datetime import timedelta

import pytest

from accounts.models import AuditEntry, PoolMembership, User
from accounts.services.pools import add_users, delete_pool
from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib.errors import Invalid, NotFound, PlanChanged
from promotions.coupons.errors import (
    BookExhausted,
    BookInactive,
    BookNotFound,
    CouponExpired,
    CouponLocked,
    CouponRedeemed,
    DistributionNotFound,
)
from promotions.coupons.models import BookUser, Coupon, Distribution
from promotions.coupons.services import assigning, distributing, holding, redeeming, tidying
from promotions.coupons.states import State
from promotions.coupons.tests.factories import BookFactory, made

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool():
    pool = PoolFactory()
    add_users(pool.pk, user_ids=[UserFactory().pk for _ in range(5)])
    return pool


def book_of(count, **options):
    book = BookFactory(**options)
    made(book, count)
    return book


def members(pool):
    return list(
        PoolMembership.objects.filter(pool=pool).order_by("user_id").values_list("user_id", flat=1)
    )


def spread(pool, book, **options):
    options = {"mode": "equal", "coupons_per_user": 2, **options}
    return distributing.distribute(pool.pk, book_id=book.pk, **options)


def test_a_dry_run_changes_nothing_and_what_it_plans_is_done(pool):
    book = book_of(30)
    planned = spread(pool, book, mode="random", count=12, coupons_per_user=None, dry_run=True)
    assert planned.distribution is None
    assert not planned.codes
    assert not BookUser.objects.exists()
    plan = planned.plan
    done = spread(
        pool, book, mode="random", count=12, coupons_per_user=None,
        seed=plan.seed, expect_plan=plan.hash, reason="For the beta",
    )  # fmt: skip
    assert done.plan.sharing == plan.sharing
    assert {user: len(codes) for user, codes in done.codes.items()} == plan.sharing.shares
    assert Coupon.objects.filter(distribution=done.distribution).count() == 12
    for user, codes in done.codes.items():
        assert set(Coupon.objects.filter(assigned_to=user).values_list("code", flat=True)) == set(
            codes
        )
    row = done.distribution
    assert (row.assigned, row.users, row.seed, row.plan) == (
        12, len(done.codes), plan.seed, plan.hash,
    )  # fmt: skip
    entry = AuditEntry.objects.get(action="book.distribute")
    assert (entry.after["coupons"], entry.reason) == (12, "For the beta")


def test_the_same_seed_and_data_give_the_same_codes(pool):
    book = book_of(200)
    results = []
    for _ in range(2):
        done = spread(pool, book, mode="random", count=25, coupons_per_user=None, seed=4711)
        results.append(done.codes)
        distributing.undo(done.distribution.pk)
    assert results[0] == results[1]
    other = spread(pool, book, mode="random", count=25, coupons_per_user=None, seed=4712)
    assert other.codes != results[0]


def test_which_codes_are_chosen_has_nothing_to_do_with_their_order(pool):
    book = book_of(1_000)
    done = spread(pool, book, coupons_per_user=100, seed=1)
    chosen = set(Coupon.objects.filter(distribution=done.distribution).values_list("pk", flat=1))
    ids = sorted(Coupon.objects.filter(book=book).values_list("pk", flat=True))
    first_half = len(chosen & set(ids[:500]))
    assert 180 < first_half < 320  # 250 on average; 70 is more than six deviations


def test_members_at_their_limit_are_skipped_and_listed(pool):
    book = book_of(30, max_assignments_per_user=3)
    full, half, *others = members(pool)
    assigning.assign(book.pk, user_id=full, count=3)
    assigning.assign(book.pk, user_id=half, count=2)
    User.objects.filter(pk=others[0]).update(is_active=False)
    done = spread(pool, book)
    assert set(done.codes) == set(others[1:])
    assert [(one.user_id, one.reason, one.room) for one in done.plan.sharing.skipped] == [
        (full, "max_assignments_exceeded", 0),
        (half, "max_assignments_exceeded", 1),
        (others[0], "user_inactive", 0),
    ]
    assert done.distribution.skipped[1] == {
        "user_id": half, "reason": "max_assignments_exceeded", "room": 1,
    }  # fmt: skip


def test_a_plan_that_has_changed_is_refused(pool):
    book = book_of(30, max_assignments_per_user=3)
    plan = spread(pool, book, dry_run=True).plan
    assigning.assign(book.pk, user_id=members(pool)[0], count=2)
    with pytest.raises(PlanChanged) as refused:
        spread(pool, book, seed=plan.seed, expect_plan=plan.hash)
    assert refused.value.params["count"] == 8
    assert not Distribution.objects.exists()
    assert BookUser.objects.count() == 1


def test_it_says_why_nobody_is_given_one(pool):
    book = book_of(30, max_assignments_per_user=3)
    *others, closed = members(pool)
    User.objects.filter(pk=closed).update(is_active=False)
    for user_id in others:
        assigning.assign(book.pk, user_id=user_id, count=2)
    with pytest.raises(Invalid) as refused:
        spread(pool, book)
    assert refused.value.errors[0]["detail"] == (
        "Nobody of the pool would be given one: 4 people left too little room by the book's limit"
        " for a person, 1 person with a closed account."
    )


def test_too_few_codes_give_nobody_anything(pool):
    book = book_of(9)
    with pytest.raises(BookExhausted) as refused:
        spread(pool, book)
    assert refused.value.params == {"left": 9, "wanted": 10}
    assert not BookUser.objects.exists()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"mode": "fair"}, "mode"),
        ({"count": 5}, "count"),
        ({"coupons_per_user": None}, "count"),
        ({"coupons_per_user": 0}, "coupons_per_user"),
        ({"coupons_per_user": None, "count": 3}, "count"),
        ({"coupons_per_user": 100_000}, "coupons_per_user"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**53}, "seed"),
    ],
)
def test_what_makes_no_sense_is_named(pool, options, field):
    with pytest.raises(Invalid) as refused:
        spread(pool, book_of(9), **options)
    assert refused.value.errors[0]["pointer"] == f"/{field}"


def test_pools_and_books_must_be_there_and_open(pool, ended):
    book = book_of(20)
    with pytest.raises(NotFound):
        distributing.distribute(987_654, book_id=book.pk, mode="equal", count=5)
    with pytest.raises(BookNotFound):
        distributing.distribute(pool.pk, book_id=987_654, mode="equal", count=5)
    book.is_active = False
    book.save()
    with pytest.raises(BookInactive):
        spread(pool, book)
    with pytest.raises(CouponExpired):
        spread(pool, ended(book_of(20)))
    with pytest.raises(Invalid):
        spread(PoolFactory(), book_of(20))


def test_undo_takes_all_of_it_back_once(pool):
    book = book_of(12, max_assignments_per_user=2)
    done = spread(pool, book)
    undone = distributing.undo(done.distribution.pk, reason="Wrong pool")
    assert undone.undone_at
    assert Coupon.objects.filter(book=book, state=State.UNASSIGNED).count() == 12
    assert set(BookUser.objects.values_list("assigned", flat=True)) == {0}
    assert distributing.undo(done.distribution.pk).undone_at == undone.undone_at
    assert AuditEntry.objects.filter(action="book.undo_distribution").count() == 1
    with pytest.raises(DistributionNotFound):
        distributing.undo(987_654)


def test_nothing_that_is_held_or_was_used_is_taken_back(pool, clock, ended):
    done = spread(pool, book_of(12))
    first, second = Coupon.objects.filter(distribution=done.distribution)[:2]
    holding.lock(first.code, user_id=first.assigned_to_id, seconds=60)
    with pytest.raises(CouponLocked) as refused:
        distributing.undo(done.distribution.pk)
    assert refused.value.params == {"coupons": 1}
    clock(timedelta(seconds=61))
    use = redeeming.redeem(second.code, user_id=second.assigned_to_id).redemption
    with pytest.raises(CouponRedeemed):
        distributing.undo(done.distribution.pk)
    redeeming.reverse(use.pk)
    assert distributing.undo(done.distribution.pk).undone_at

    over = spread(pool, book_of(12))
    ended(over.distribution.book)
    tidying.expire_ended_books()
    with pytest.raises(CouponExpired):
        distributing.undo(over.distribution.pk)


def test_a_pool_may_go_its_distributions_stay(pool):
    done = spread(pool, book_of(12))
    delete_pool(pool.pk)
    done.distribution.refresh_from_db()
    assert (done.distribution.pool_id, done.distribution.assigned) == (None, 10)
