"""Grants at once, from threads with connections of their own: never a cent or a use too many."""

from decimal import Decimal

import pytest
from django.db import connection

from accounts.tests.factories import UserFactory
from accounts.tests.threads import together
from promotions import services as promotions
from promotions.discounts import errors, services
from promotions.discounts.models import DailyUse, Redemption, Reversal
from promotions.discounts.tests.factories import CampaignFactory
from promotions.discounts.tests.ledgers import FLAT, MANY, balance, broken, grant, reserve, used
from promotions.models import Budget, BudgetEntry

pytestmark = pytest.mark.django_db(transaction=True)

TRIES = 600
ROUNDS = 10


def granted(outcomes):
    return [outcome for outcome in outcomes if isinstance(outcome, Redemption)]


class Watcher:
    """Compares the budget with its ledger while shops are open, in one snapshot each time."""

    def __init__(self, shops: int) -> None:
        self.wrong: list[tuple[Decimal, ...]] = []
        self.looks = 0
        self.shops = shops

    def __call__(self) -> None:
        while self.shops:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT total, spent, (SELECT coalesce(sum(amount), 0) "
                    "FROM promotions_budgetentry WHERE kind = 'capture') FROM promotions_budget"
                )
                total, spent, ledger = cursor.fetchone()
            self.looks += 1
            if not spent == ledger <= total:
                self.wrong.append((total, spent, ledger))


@pytest.mark.parametrize("threads", [1, 8, 32])
def test_a_hundred_are_granted_and_what_is_topped_up(threads):
    campaign = CampaignFactory(budget=100, discount=MANY)
    users = [UserFactory() for _ in range(threads)]
    watcher = Watcher(shops=threads)

    def shop(user):
        def buy():
            outcomes = []
            try:
                for _ in range(TRIES // threads):
                    try:
                        outcomes.append(grant(campaign, user))
                    except errors.BudgetExhausted as refusal:
                        outcomes.append(refusal)
            finally:
                watcher.shops -= 1
            return outcomes

        return buy

    def save():
        for number in range(20):
            promotions.update_promotion(campaign.pk, changes={"name": f"Name {number}"})

    def top_up():
        for _ in range(5):
            promotions.top_up(campaign.pk, amount=Decimal("5.00"))

    *shops, _, _, _ = together(*map(shop, users), save, top_up, watcher)
    given = len(granted(outcome for outcomes in shops for outcome in outcomes))
    assert sum(map(len, shops)) == TRIES // threads * threads
    assert 100 <= given <= 125
    # A top-up may have come after the last try.
    for _ in range(125 - given):
        grant(campaign, users[0])
    with pytest.raises(errors.BudgetExhausted):
        grant(campaign, users[0])
    assert watcher.looks > 0
    assert not watcher.wrong
    assert balance(campaign) == (0, 125)
    assert Budget.objects.get().total == 125
    captures = BudgetEntry.objects.filter(kind="capture").values_list("amount", flat=True)
    assert list(captures) == [Decimal("1.000")] * 125
    assert Redemption.objects.count() == 125
    assert not broken()


def test_the_last_of_a_budget_is_shared_out_to_the_cent():
    campaign = CampaignFactory(budget="20.50", discount=MANY | {"discount_flat": "3.00"})
    outcomes = together(*[lambda: grant(campaign)] * 16)
    amounts = sorted(one.amount for one in granted(outcomes))
    assert amounts == [Decimal("2.500"), *[Decimal("3.000")] * 6]
    assert {type(one) for one in outcomes} == {Redemption, errors.BudgetExhausted}
    assert balance(campaign) == (0, Decimal("20.50"))
    assert not broken()


@pytest.mark.parametrize("budget", [None, 1_000])
def test_a_daily_limit_of_one_gives_one(budget):
    for _ in range(ROUNDS):
        campaign, user = CampaignFactory(budget=budget, discount=FLAT), UserFactory()
        outcomes = together(*[lambda: grant(campaign, user)] * 32)  # noqa: B023
        assert len(granted(outcomes)) == 1
        refusals = [one for one in outcomes if not isinstance(one, Redemption)]
        assert {type(one) for one in refusals} == {errors.DailyLimitReached}
        assert DailyUse.objects.get(promotion=campaign).used == 1
    assert not broken()


def test_reservations_and_grants_share_a_day():
    campaign = CampaignFactory(budget=100, discount=FLAT | {"max_usage_per_customer_per_day": 3})
    user = UserFactory()
    calls = [lambda: grant(campaign, user), lambda: reserve(campaign, user)]
    outcomes = together(*calls * 8)
    taken = [one for one in outcomes if not isinstance(one, errors.DailyLimitReached)]
    assert len(taken) == 3
    assert used(campaign) == 3
    assert sum(balance(campaign)) == 3
    assert not broken()


@pytest.mark.parametrize("budget", [None, 100])
def test_an_order_at_once_is_granted_once(budget):
    for _ in range(ROUNDS):
        campaign = CampaignFactory(budget=budget, discount=MANY)
        outcomes = together(*[lambda: grant(campaign, order_id="o-1")] * 12)  # noqa: B023
        assert len(granted(outcomes)) == 1
        refusals = [one for one in outcomes if not isinstance(one, Redemption)]
        # Told by the trigger before anything is taken: the index would not name the order.
        assert [one.params for one in refusals] == [{"order_id": "o-1"}] * 11
        assert used(campaign) == 1
    assert not broken()


def test_a_reversal_at_once_gives_back_once():
    for number in range(ROUNDS):
        campaign, user = CampaignFactory(budget=100, discount=FLAT), UserFactory()
        given = grant(campaign, user)
        calls = [lambda: services.reverse(given.pk)] * 50  # noqa: B023
        parts = [lambda: services.reverse(given.pk, amount=Decimal("0.30"))] * 8  # noqa: B023
        calls[number * 5 : number * 5] = parts  # earlier or later among the whole ones
        outcomes = together(*calls)
        back = [one.amount for one in outcomes if isinstance(one, Reversal)]
        assert sum(back) == 1
        del outcomes[number * 5 : number * 5 + 8]
        refusals = [one for one in outcomes if not isinstance(one, Reversal)]
        assert {type(one) for one in refusals} == {errors.AlreadyReversed}
        assert balance(campaign) == (0, 0)
        assert used(campaign) == 0
        assert grant(campaign, user).amount == 1
    assert not broken()


def test_partial_reversals_at_once_never_pass_what_was_granted():
    campaign = CampaignFactory(budget=100, discount=MANY | {"discount_flat": 10})
    given = grant(campaign)
    outcomes = together(*[lambda: services.reverse(given.pk, amount=Decimal("0.70"))] * 32)
    assert len([one for one in outcomes if isinstance(one, Reversal)]) == 14
    assert balance(campaign) == (0, Decimal("0.20"))
    assert used(campaign) == 1
    services.reverse(given.pk)
    assert (balance(campaign), used(campaign)) == ((0, 0), 0)
    assert not broken()
