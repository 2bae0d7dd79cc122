"""A book gets a limit, or loses it, while somebody is about to give codes or take them back."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib.invariants import violations
from promopulse.lib.problems import constraint_of
from promopulse.lib.sql import fetch_one
from promotions.coupons.invariants import INVARIANTS
from promotions.coupons.models import Coupon, CouponBook
from promotions.coupons.services import assigning, books, distributing
from promotions.coupons.states import State
from promotions.coupons.tests.factories import BookFactory, made

pytestmark = pytest.mark.django_db(transaction=True)

_WAITS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def started(call):
    """The call under way on a connection of its own."""

    def run():
        try:
            return call()
        finally:
            connection.close()

    pool = ThreadPoolExecutor(1)
    under_way = pool.submit(run)
    pool.shutdown(wait=False)
    return under_way


def stopped_at(monkeypatch, module, name):
    """`module.name` waits when it is called: the events that it was, and that it may go on."""
    really, there, go_on = getattr(module, name), threading.Event(), threading.Event()

    def paced(*given):
        there.set()
        go_on.wait(timeout=10)
        return really(*given)

    monkeypatch.setattr(module, name, paced)
    return there, go_on


def somebody_waits():
    (waiting,) = fetch_one(_WAITS, {})
    return bool(waiting)


# Where each of them holds what the user has of the book, and not yet a coupon's new state.
GIVING = {
    "a draw": (assigning, "free_of"),
    "a code": (assigning, "judge"),
    "a distribution": (distributing, "free_of"),
    "an undo": (distributing, "_nothing_in_the_way"),
}


@pytest.mark.parametrize("what", GIVING)
def test_neither_waits_for_the_other_in_a_circle(monkeypatch, what):
    book, user, pool = BookFactory(max_assignments_per_user=9), UserFactory(), PoolFactory()
    codes = made(book, 20)
    add_users(pool.pk, user_ids=[user.pk])
    spread = distributing.distribute(pool.pk, book_id=book.pk, mode="equal", count=2).distribution
    free = next(code for code in codes if Coupon.objects.get(pk=code.pk).assigned_to_id is None)
    act = {
        "a draw": lambda: assigning.assign(book.pk, user_id=user.pk),
        "a code": lambda: assigning.assign_code(free.code, user_id=user.pk),
        "a distribution": lambda: distributing.distribute(
            pool.pk, book_id=book.pk, mode="equal", count=2
        ),
        "an undo": lambda: distributing.undo(spread.pk),
    }[what]

    there, go_on = stopped_at(monkeypatch, *GIVING[what])
    giving = started(act)
    assert there.wait(timeout=10)
    changing = started(
        lambda: books.update_book(book.pk, changes={"max_assignments_per_user": None})
    )
    while not somebody_waits() and not changing.done():
        continue
    go_on.set()
    assert giving.result(timeout=10)
    assert changing.result(timeout=10).max_assignments_per_user is None
    left = Coupon.objects.filter(assigned_to=user, state=State.ASSIGNED).count()
    assert left == {"a draw": 3, "a code": 3, "a distribution": 4, "an undo": 0}[what]
    assert not [one.words for one in INVARIANTS if violations(one)]


def in_one_snapshot(level, act):
    """What refuses it in a transaction that sees what there was at its beginning."""

    def acted():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            act()

    with pytest.raises(IntegrityError) as refused:
        acted()
    return constraint_of(refused.value)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_nobody_judges_by_the_rules_of_a_moment_ago(level):
    """Who sees no limit that was set since they began would give what nobody counts; who sees no
    gift since would count too few."""
    book, user = BookFactory(), UserFactory()
    free, given, *_ = made(book, 4)
    assigning.assign_code(given.code, user_id=user.pk)
    nobodys = {"state": State.UNASSIGNED, "assigned_to": None, "assigned_at": None}
    for act in (
        lambda: assigning.assign_code(free.code, user_id=user.pk),
        lambda: Coupon.objects.filter(pk=given.pk).update(**nobodys),
        lambda: CouponBook.objects.filter(pk=book.pk).update(max_assignments_per_user=1),
    ):
        assert in_one_snapshot(level, act) == "coupons_rules_seen"
