"""Many at once, on connections of their own: exactly as often as allowed, never a code twice."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from django.db import connection, transaction

from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib.errors import DomainError
from promopulse.lib.invariants import violations
from promotions.coupons.errors import (
    BookExhausted,
    ConcurrentRedemption,
    CouponRedeemed,
    LockTokenMismatch,
    MaxAssignmentsExceeded,
)
from promotions.coupons.invariants import INVARIANTS
from promotions.coupons.models import BookUser, Coupon, CouponBook, CouponRedemption
from promotions.coupons.services import (
    assigning,
    batches,
    books,
    distributing,
    finding,
    holding,
    redeeming,
    uploading,
)
from promotions.coupons.states import State
from promotions.coupons.tests.factories import BookFactory, held, made, named

pytestmark = pytest.mark.django_db(transaction=True)


def together(*calls):
    """Run the calls at one moment; what each returned, or its refusal, in their order."""
    start = threading.Barrier(len(calls))

    def run(call):
        try:
            start.wait(timeout=30)
            return call()
        except DomainError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def kinds(outcomes):
    return Counter(type(outcome) for outcome in outcomes)


def audited():
    return [one.words for one in INVARIANTS if violations(one)]


@pytest.mark.slow
def test_thirty_two_redeem_one_coupon_and_one_does():
    for _ in range(20):
        coupon = held()
        found = kinds(
            together(
                *[lambda: redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id)] * 32  # noqa: B023
            )
        )
        assert found.pop(redeeming.Redeemed) == 1
        assert set(found) <= {CouponRedeemed, ConcurrentRedemption}
    assert CouponRedemption.objects.count() == 20
    assert not audited()


@pytest.mark.slow
def test_forty_redeem_a_code_of_ten_uses_and_ten_do():
    book = BookFactory(
        requires_assignment=False, allow_multi_redemption=True, max_redemptions_per_user=1
    )
    (code,) = named(book, "SUMMER20", uses=10)
    people = [UserFactory() for _ in range(40)]
    found = kinds(
        together(
            *(lambda user=user: redeeming.redeem("summer-20", user_id=user.pk) for user in people)
        )
    )
    assert found.pop(redeeming.Redeemed) == 10
    assert set(found) <= {CouponRedeemed, ConcurrentRedemption}
    code.refresh_from_db()
    assert (code.state, code.uses) == (State.REDEEMED, 10)
    assert sum(BookUser.objects.values_list("redeemed", flat=True)) == 10
    assert not audited()


def test_a_users_limit_of_a_book_holds_over_its_codes():
    book = BookFactory(
        requires_assignment=False, allow_multi_redemption=True, max_redemptions_per_user=2
    )
    named(book, *(f"CODE{number:02}" for number in range(12)), uses=5)
    user = UserFactory()
    found = kinds(
        together(
            *(
                lambda number=number: redeeming.redeem(f"CODE{number:02}", user_id=user.pk)
                for number in range(12)
            )
        )
    )
    assert found[redeeming.Redeemed] == 2
    assert BookUser.objects.get().redeemed == 2
    assert not audited()


def test_sixteen_assign_to_a_user_who_may_have_two():
    for round_number in range(10):
        book, user = BookFactory(max_assignments_per_user=2), UserFactory()
        codes = made(book, 100)
        if round_number % 2:
            calls = [lambda: assigning.assign(book.pk, user_id=user.pk)] * 16  # noqa: B023
        else:
            calls = [
                lambda code=code: assigning.assign_code(code.code, user_id=user.pk)  # noqa: B023
                for code in codes[:16]
            ]
        found = kinds(together(*calls))
        assert found.pop(MaxAssignmentsExceeded) == 14
        assert sum(found.values()) == 2
        assert Coupon.objects.filter(assigned_to=user).count() == 2
    assert not audited()


def test_the_same_request_many_times_at_once_is_one():
    book, user = BookFactory(max_assignments_per_user=3), UserFactory()
    made(book, 100)
    outcomes = together(
        *[lambda: assigning.assign(book.pk, user_id=user.pk, count=3, source_id="order-1")] * 8
    )
    assert len({tuple(coupon.pk for coupon in given) for given in outcomes}) == 1
    assert BookUser.objects.get().assigned == 3


def test_a_limit_that_is_set_amid_draws_counts_each_of_them():
    """Whoever draws shares the rules until the commit; who sets a limit waits, then counts."""
    book = BookFactory()
    made(book, 500)

    def limit(most=1_000):
        CouponBook.objects.filter(pk=book.pk).update(max_assignments_per_user=most)

    for _ in range(10):
        user = UserFactory()
        limit(None)

        def draw():
            for _ in range(6):
                assigning.assign(book.pk, user_id=user.pk)  # noqa: B023

        together(*[draw] * 8, limit)
        assert BookUser.objects.get(user=user).assigned == 48
        assert not audited()


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 2_000])
def test_two_distributions_and_random_draws_give_no_code_twice(limit):
    book = BookFactory(max_assignments_per_user=limit)
    made(book, 2_000)
    pools = [PoolFactory(), PoolFactory()]
    crowd = [UserFactory().pk for _ in range(60)]
    for pool in pools:
        add_users(pool.pk, user_ids=crowd)
    drawers = [UserFactory().pk for _ in range(4)] + crowd[:4]

    def draw(user):
        return [assigning.assign(book.pk, user_id=user)[0].pk for _ in range(20)]

    def spread(pool):
        return distributing.distribute(
            pool.pk, book_id=book.pk, mode="random", count=700
        ).distribution.pk

    outcomes = together(
        *(lambda pool=pool: spread(pool) for pool in pools),
        *(lambda user=user: draw(user) for user in drawers),
    )
    first, second, *drawn = outcomes
    spread_out = Coupon.objects.filter(distribution_id__in=[first, second]).count()
    single = [pk for given in drawn for pk in given]
    assert spread_out == 1_400
    assert len(set(single)) == len(single) == 160
    assert Coupon.objects.filter(state=State.ASSIGNED).count() == 1_560
    assert sum(BookUser.objects.values_list("assigned", flat=True)) == (1_560 if limit else 0)
    assert not audited()


def test_a_reversal_fifty_times_at_once_gives_one_use_back():
    coupon = held(book=BookFactory(allow_multi_redemption=True), max_redemptions=3)
    use = redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id).redemption
    found = kinds(together(*[lambda: redeeming.reverse(use.pk)] * 25))
    assert found[type(use.reversal)] == 1
    assert Coupon.objects.get(pk=coupon.pk).uses == 0
    assert not audited()


def test_one_of_many_locks_it():
    for _ in range(5):
        coupon = held()
        found = kinds(
            together(*[lambda: holding.lock(coupon.code, user_id=coupon.assigned_to_id)] * 8)  # noqa: B023
        )
        assert found[holding.Lock] == 1


def test_a_limit_is_not_lowered_under_somebody_who_is_being_given_more():
    for _ in range(8):
        book, user = BookFactory(max_assignments_per_user=5), UserFactory()
        made(book, 100)
        together(
            lambda: assigning.assign(book.pk, user_id=user.pk, count=5),  # noqa: B023
            lambda: books.update_book(book.pk, changes={"max_assignments_per_user": 2}),  # noqa: B023
        )
        assert not audited()


def test_a_lock_of_a_second_is_retaken_with_no_reaper_and_the_old_token_is_refused():
    coupon = held()
    old = holding.lock(coupon.code, user_id=coupon.assigned_to_id, seconds=1)
    time.sleep(1.1)
    new = holding.lock(coupon.code, user_id=coupon.assigned_to_id, seconds=60)
    with pytest.raises(LockTokenMismatch):
        redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id, lock_token=old.token)
    done = redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id, lock_token=new.token)
    assert done.coupon.state == State.REDEEMED


def test_a_worker_frozen_past_the_deadline_that_wakes_commits_nothing():
    coupon = held()
    lock = holding.lock(coupon.code, user_id=coupon.assigned_to_id, seconds=1)

    def frozen():
        with finding.promptly("redeem"):
            redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id, lock_token=lock.token)
            time.sleep(1.3)

    with pytest.raises(LockTokenMismatch):
        frozen()
    assert not CouponRedemption.objects.exists()
    coupon.refresh_from_db()
    assert coupon.uses == 0
    assert holding.lock(coupon.code, user_id=coupon.assigned_to_id).token


def test_nobody_waits_two_seconds_for_a_coupon_that_is_held():
    coupon = held()
    taken, done = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                Coupon.objects.select_for_update().get(pk=coupon.pk)
                taken.set()
                done.wait(timeout=10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(timeout=10)
    try:
        for act in (
            lambda: redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id),
            lambda: holding.lock(coupon.code, user_id=coupon.assigned_to_id),
        ):
            started = time.monotonic()
            with pytest.raises(ConcurrentRedemption):
                act()
            assert time.monotonic() - started < 2
    finally:
        done.set()
        holder.join()
    assert redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id).coupon.uses == 1


def test_two_who_bring_the_same_codes_at_once_bring_them_once():
    codes = [f"GOLD-{number}" for number in range(200)]
    outcomes = together(
        *(
            lambda order=order: uploading.upload(
                BookFactory.create().pk, order, on_duplicate="skip"
            )
            for order in (codes, codes[::-1])
        )
    )
    assert sum(done.counts["created"] for done in outcomes) == 200
    assert Coupon.objects.count() == 200
    assert not audited()


def test_the_same_codes_written_otherwise_are_waited_for_in_one_order(monkeypatch):
    """As written "ZZ" is before "aa", as it is compared after it: each would wait for the other."""
    really, both_began = batches._copied, threading.Barrier(2)

    def paced(*given):
        are_new = really(*given)
        with suppress(threading.BrokenBarrierError):
            both_began.wait(timeout=0.5)
        return are_new

    monkeypatch.setattr(batches, "PART", 1)
    monkeypatch.setattr(batches, "_copied", paced)
    books = [BookFactory.create().pk for _ in range(2)]
    outcomes = together(
        *(
            lambda book=book, codes=codes: uploading.upload(book, codes, on_duplicate="skip")
            for book, codes in zip(books, (["AA-1", "ZZ-1"], ["aa1", "ZZ1"]), strict=True)
        )
    )
    assert sorted(done.counts["created"] for done in outcomes) == [0, 2]


def test_two_workers_on_one_batch_make_exactly_its_number(monkeypatch):
    monkeypatch.setattr(batches, "CHUNK", 500)
    batch = batches.generate(BookFactory().pk, count=10_001, here=False)
    while not all(together(*[lambda: batches.fill(batch.pk)] * 3)):
        continue
    batch.refresh_from_db()
    assert (batch.status, batch.done) == ("done", 10_001)
    assert Coupon.objects.filter(batch=batch).count() == 10_001


@contextmanager
def last_codes_held_for(seconds, book):
    """Somebody has drawn all codes of the book, and gives them back after a while."""
    drawn = threading.Event()

    def draw():
        try:
            with transaction.atomic():
                left = assigning.free_of(book.pk)
                assigning.assign(book.pk, user_id=UserFactory().pk, count=left)
                drawn.set()
                time.sleep(seconds)
                transaction.set_rollback(True)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        held_by = pool.submit(draw)
        assert drawn.wait(timeout=10)
        yield
        held_by.result()


def test_a_book_is_not_exhausted_by_codes_that_come_back():
    book, user = BookFactory(), UserFactory()
    made(book, 2)
    with last_codes_held_for(0.2, book):
        assert len(assigning.assign(book.pk, user_id=user.pk)) == 1
    assert assigning.free_of(book.pk) == 1
    assert not audited()


def test_what_is_held_for_long_is_no_exhaustion_either():
    book, user, pool = BookFactory(), UserFactory(), PoolFactory()
    made(book, 2)
    add_users(pool.pk, user_ids=[user.pk])
    with last_codes_held_for(2, book):
        with pytest.raises(BookExhausted) as refused:  # two of two would not do
            assigning.assign(book.pk, user_id=user.pk, count=3)
        with pytest.raises(ConcurrentRedemption):
            distributing.distribute(pool.pk, book_id=book.pk, mode="equal", count=2)
        with pytest.raises(ConcurrentRedemption):
            assigning.assign(book.pk, user_id=user.pk)
    assert refused.value.params == {"left": 2, "wanted": 3}
    assert assigning.free_of(book.pk) == 2
    assert not audited()


def test_whoever_asks_for_too_many_hides_no_code():
    for _ in range(10):
        book, users = BookFactory(), [UserFactory() for _ in range(4)]
        made(book, 2)
        *greedy, modest = together(
            *(lambda user=user: assigning.assign(book.pk, user_id=user.pk, count=3)  # noqa: B023
              for user in users[1:]),
            lambda: assigning.assign(book.pk, user_id=users[0].pk),  # noqa: B023
        )  # fmt: skip
        assert kinds(greedy) == {BookExhausted: 3}
        assert len(modest) == 1
