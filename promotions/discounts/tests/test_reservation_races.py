"""What is held, at once captured, released, expired and needed by others."""

import time

import pytest

from accounts.tests.factories import UserFactory
from accounts.tests.threads import together
from promopulse.lib.time import db_now
from promotions.discounts import errors, services
from promotions.discounts.models import Redemption, Reservation
from promotions.discounts.tests.factories import CampaignFactory
from promotions.discounts.tests.ledgers import FLAT, MANY, balance, broken, grant, reserve, used
from promotions.models import BudgetEntry

pytestmark = pytest.mark.django_db(transaction=True)


def wait_until(moment):
    time.sleep(max(0, (moment - db_now()).total_seconds()))


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


def test_a_sweep_takes_nothing_from_those_who_need_it():
    """No grant finds the money neither released nor to be released: a sweep is just at it."""
    for _ in range(3):
        campaign = CampaignFactory(budget=24, discount=MANY)
        overdue(campaign, [UserFactory() for _ in range(24)])
        sweep = lambda: services.release_overdue() and None  # noqa: E731
        outcomes = together(*[sweep, lambda: grant(campaign)] * 16)  # noqa: B023
        refusals = [one for one in outcomes if isinstance(one, Exception)]
        assert refusals == []
        assert balance(campaign) == (0, 16)
        assert not Reservation.objects.filter(promotion=campaign, state="open").exists()
        assert not broken()


def test_sweeps_at_once_release_each_once():
    campaign = CampaignFactory(budget=300, discount=MANY)
    overdue(campaign, [UserFactory() for _ in range(120)])
    released = together(*[services.release_overdue] * 6)
    assert sum(released) == 120
    assert (balance(campaign), used(campaign)) == ((0, 0), 0)
    assert not broken()
