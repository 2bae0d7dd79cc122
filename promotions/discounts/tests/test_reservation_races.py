"""What is held, at once captured, released, expired and needed by others."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from django.db import connection

from accounts.tests.factories import UserFactory
from accounts.tests.threads import together
from promopulse.lib.time import db_now
from promopulse.tests.live import wait_for
from promotions.discounts import errors, services
from promotions.discounts.models import Redemption, Reservation
from promotions.discounts.services import effects
from promotions.discounts.tests.factories import CampaignFactory
from promotions.discounts.tests.ledgers import FLAT, MANY, balance, broken, grant, reserve, used
from promotions.models import Budget, BudgetEntry

pytestmark = pytest.mark.django_db(transaction=True)


def wait_until(moment):
    time.sleep(max(0, (moment - db_now()).total_seconds()))


@contextmanager
def another_session():
    """A connection of somebody else, in a transaction that ends with the block."""
    parameters = connection.get_connection_params()
    parameters.pop("pool", None)
    with psycopg.connect(**parameters) as session:
        yield session
        session.rollback()


def in_turn(campaign, *calls):
    """Let the calls queue for the campaign's budget one after the other, then go on; outcomes."""
    budget = Budget.objects.get(promotion=campaign).pk

    def queued(count):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            return cursor.fetchone()[0] == count

    with another_session() as session, ThreadPoolExecutor(len(calls)) as pool:
        session.execute("SELECT pg_advisory_xact_lock(%s)", [budget])
        going = []
        for call in calls:
            going.append(pool.submit(together, call))
            wait_for(partial(queued, len(going)), 10, "it does not queue")
        session.rollback()
        return [one.result()[0] for one in going]


def overdue(campaign, users):
    """A reservation of each user, past its time."""
    held = [reserve(campaign, user, ttl_seconds=1) for user in users]
    wait_until(held[-1].expires_at)


@pytest.mark.parametrize("early", [0.05, 0.01, 0.005, 0.002, 0, -0.01])
def test_a_reservation_ends_in_one_way(early):
    """Captured, released or expired; around the moment it becomes overdue."""
    campaign = CampaignFactory(budget=1, discount=FLAT)
    held = reserve(campaign, ttl_seconds=1)
    calls = [
        lambda: services.capture(held.pk),
        lambda: services.release(held.pk),
        lambda: services.release_overdue() and None,
        lambda: grant(campaign),
    ]
    time.sleep(max(0, (held.expires_at - db_now()).total_seconds() - early))
    outcomes = together(*calls * 6)
    captured = [
        one for one in outcomes if isinstance(one, Redemption) and one.reservation_id == held.pk
    ]
    released = [one for one in outcomes if isinstance(one, Reservation)]
    state = Reservation.objects.get().state
    if state == "open":  # nobody needed what it holds: it was overdue by then
        assert held.expires_at <= db_now()
    assert (len(captured), len(released)) == {
        "captured": (1, 0),
        "released": (0, 1),
    }.get(state, (0, 0))
    refusals = {type(one) for one in outcomes if isinstance(one, Exception)}
    assert refusals <= {
        errors.ReservationClosed,
        errors.ReservationExpired,
        errors.BudgetExhausted,
    }
    closing = BudgetEntry.objects.filter(subject_id=held.pk, kind="release").count()
    assert closing == (state in ("released", "expired"))
    assert Redemption.objects.count() <= 1
    assert not broken()


@pytest.mark.parametrize("times", [2, 32])
def test_captures_at_once_are_one(times):
    campaign = CampaignFactory(budget=10, discount=FLAT)
    held = reserve(campaign)
    outcomes = together(*[lambda: services.capture(held.pk)] * times)
    assert len([one for one in outcomes if isinstance(one, Redemption)]) == 1
    refusals = {type(one) for one in outcomes if not isinstance(one, Redemption)}
    assert refusals == {errors.ReservationClosed}
    assert balance(campaign) == (0, 1)
    assert not broken()


def test_what_is_overdue_is_had_by_thirty_two_others_at_once():
    campaign = CampaignFactory(budget=32, discount=FLAT)
    overdue(campaign, [UserFactory() for _ in range(32)])
    outcomes = together(*[lambda: grant(campaign)] * 33)
    assert len([one for one in outcomes if isinstance(one, Redemption)]) == 32
    assert balance(campaign) == (0, 32)
    assert used(campaign) == 32
    assert not broken()


@pytest.mark.parametrize("limit", [1, 5])
def test_what_is_overdue_is_had_by_its_own_thirty_two_users_at_once(limit):
    """Each holds its day while another looks for money: nobody waits in a circle."""
    terms = FLAT | {"max_usage_per_customer_per_day": limit}
    campaign = CampaignFactory(budget=32, discount=terms)
    users = [UserFactory() for _ in range(32)]
    overdue(campaign, users)
    outcomes = together(*[lambda user=user: grant(campaign, user) for user in users])
    assert all(isinstance(one, Redemption) for one in outcomes)
    assert balance(campaign) == (0, 32)
    assert used(campaign) == 32
    assert not broken()


@pytest.fixture
def impatient(monkeypatch):
    """Grants have one try: nobody steps back to the queue's end."""
    monkeypatch.setattr(effects, "PATIENCE", ())


@pytest.mark.usefixtures("impatient")
def test_a_sweep_takes_nothing_from_those_who_need_it():
    """No grant finds the money neither released nor to be released: a sweep is just at it."""
    for _ in range(3):
        campaign = CampaignFactory(budget=24, discount=MANY)
        overdue(campaign, [UserFactory() for _ in range(24)])
        users = [UserFactory() for _ in range(16)]  # made before, so that all begin at one moment
        sweep = lambda: services.release_overdue() and None  # noqa: E731
        grants = [partial(grant, campaign, user) for user in users]
        outcomes = together(*[call for one in grants for call in (sweep, one)])
        refusals = [one for one in outcomes if isinstance(one, Exception)]
        assert refusals == []
        assert balance(campaign) == (0, 16)
        assert not Reservation.objects.filter(promotion=campaign, state="open").exists()
        assert not broken()


@pytest.mark.usefixtures("impatient")
def test_a_sweep_holds_nothing_while_it_queues():
    """It came a moment after a grant, which would find the rows taken and the money not back."""
    campaign = CampaignFactory(budget=3, discount=FLAT)
    overdue(campaign, [UserFactory() for _ in range(3)])
    granted, _ = in_turn(
        campaign, partial(grant, campaign, UserFactory()), services.release_overdue
    )
    assert isinstance(granted, Redemption)
    assert balance(campaign) == (0, 1)
    assert not broken()


def test_who_comes_back_for_more_does_not_hide_what_is_overdue():
    """They hold the day of what they let lapse, and wait for a stranger who needs its money."""
    campaign = CampaignFactory(budget=3, discount=MANY)
    user, stranger = UserFactory(), UserFactory()
    overdue(campaign, [user] * 3)
    outcomes = in_turn(campaign, partial(grant, campaign, stranger), partial(grant, campaign, user))
    assert [type(one) for one in outcomes] == [Redemption, Redemption]
    assert balance(campaign) == (0, 2)
    assert used(campaign) == 2
    assert not broken()


@pytest.mark.parametrize("whose", ["money of a stranger", "day of their own"])
def test_a_capture_that_comes_too_late_hides_nothing(whose):
    """It has the reservation for a moment, to be told that it is overdue."""
    campaign = CampaignFactory(budget=None if whose == "day of their own" else 1, discount=FLAT)
    holder = UserFactory()
    user = holder if whose == "day of their own" else UserFactory()
    overdue(campaign, [holder])
    with another_session() as session, ThreadPoolExecutor(1) as pool:
        session.execute("SELECT FROM discounts_reservation FOR UPDATE")
        with pytest.raises(errors.ConcurrentRedemption):
            grant(campaign, user)  # never that the money or the day is used up
        granted = pool.submit(together, partial(grant, campaign, user))
        time.sleep(0.05)
        session.rollback()
        assert isinstance(granted.result()[0], Redemption)
    assert used(campaign) == 1
    assert not broken()


def test_sweeps_at_once_release_each_once():
    campaign = CampaignFactory(budget=300, discount=MANY)
    overdue(campaign, [UserFactory() for _ in range(120)])
    released = together(*[services.release_overdue] * 6)
    assert sum(released) == 120
    assert (balance(campaign), used(campaign)) == ((0, 0), 0)
    assert not broken()
