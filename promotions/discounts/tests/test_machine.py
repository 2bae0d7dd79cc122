"""Reserve, capture, release, reverse and expiry in any order, against a plain model in Python."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from accounts.tests.factories import UserFactory
from promopulse.lib.errors import DomainError, Invalid
from promotions import services as promotions
from promotions.discounts import errors, services
from promotions.discounts.models import DailyUse
from promotions.discounts.tests.factories import CampaignFactory
from promotions.discounts.tests.ledgers import balance, broken, clock_shows, grant, reserve
from promotions.models import Promotion

ZONE = ZoneInfo("Europe/Berlin")
# Around the day that has 23 hours.
START = datetime(2026, 3, 27, 20, tzinfo=UTC)
TENTH, CAP, DAILY = Decimal("0.1"), Decimal(9), 2
CENT = Decimal("0.01")

carts = st.integers(1, 20_000).map(lambda cents: Decimal(cents) / 100)


@dataclass
class Hold:
    user: int
    amount: Decimal
    day: date
    until: datetime
    closed: bool = False


@dataclass
class Given:
    user: int
    amount: Decimal
    day: date
    back: Decimal = Decimal(0)


class Shop(RuleBasedStateMachine):
    """What one campaign gives to two customers, by the engine and by the model."""

    holds, grants = Bundle("holds"), Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.undone = transaction.atomic()
        self.undone.__enter__()
        self.now, self.total = START, Decimal(30)
        clock_shows(self.now)
        self.users = [UserFactory.create() for _ in range(2)]
        self.campaign: Promotion = CampaignFactory.create(
            budget=self.total,
            timezone=ZONE.key,
            start_at=START - timedelta(days=1),
            end_at=START + timedelta(days=365),
            discount={
                "discount_percentage": TENTH * 100,
                "max_discount_amount": CAP,
                "max_usage_per_customer_per_day": DAILY,
            },
        )
        self.held: dict[int, Hold] = {}
        self.given: dict[int, Given] = {}

    def teardown(self) -> None:
        clock_shows(self.now)
        services.release_overdue()
        reserved = sum((one.amount for one in self._open()), Decimal(0))
        assert balance(self.campaign) == (reserved, self._spent())
        stored = {(one.user_id, one.day): one.used for one in DailyUse.objects.all() if one.used}
        assert stored == self._days()
        assert not broken()
        transaction.set_rollback(True)
        self.undone.__exit__(None, None, None)

    # The model

    def _open(self) -> list[Hold]:
        return [one for one in self.held.values() if not one.closed and one.until > self.now]

    def _spent(self) -> Decimal:
        return sum((one.amount - one.back for one in self.given.values()), Decimal(0))

    def _left(self) -> Decimal:
        return self.total - self._spent() - sum((one.amount for one in self._open()), Decimal(0))

    def _days(self) -> dict[tuple[int, date], int]:
        used: dict[tuple[int, date], int] = {}
        uses: list[Any] = [one for one in self.given.values() if one.back < one.amount]
        for one in [*uses, *self._open()]:
            used[one.user, one.day] = used.get((one.user, one.day), 0) + 1
        return used

    def _today(self) -> date:
        return self.now.astimezone(ZONE).date()

    def _expected(self, user: int, cart: Decimal) -> Decimal | type[DomainError]:
        amount = min((cart * TENTH).quantize(CENT, ROUND_HALF_UP), CAP)
        if not amount:
            return errors.NothingToDiscount
        if self._days().get((user, self._today()), 0) >= DAILY:
            return errors.DailyLimitReached
        if self._left() <= 0:
            return errors.BudgetExhausted
        return min(amount, self._left())

    # What can happen

    @rule(target=grants, who=st.integers(0, 1), cart=carts)
    def apply(self, who: int, cart: Decimal) -> Any:
        user = self.users[who]
        expected = self._expected(user.pk, cart)
        if isinstance(expected, type):
            with pytest.raises(expected):
                grant(self.campaign, user, cart)
            return multiple()
        given = grant(self.campaign, user, cart)
        assert given.amount == expected
        self.given[given.pk] = Given(user.pk, expected, self._today())
        return given.pk

    @rule(target=holds, who=st.integers(0, 1), cart=carts, ttl=st.sampled_from([1, 900, 86_400]))
    def reserve(self, who: int, cart: Decimal, ttl: int) -> Any:
        user = self.users[who]
        expected = self._expected(user.pk, cart)
        if isinstance(expected, type):
            with pytest.raises(expected):
                reserve(self.campaign, user, cart, ttl_seconds=ttl)
            return multiple()
        held = reserve(self.campaign, user, cart, ttl_seconds=ttl)
        assert held.amount == expected
        until = self.now + timedelta(seconds=ttl)
        self.held[held.pk] = Hold(user.pk, expected, self._today(), until)
        return held.pk

    @rule(target=grants, pk=holds)
    def capture(self, pk: int) -> Any:
        hold = self.held[pk]
        if refusal := self._refusal(hold):
            with pytest.raises(refusal):
                services.capture(pk)
            return multiple()
        given = services.capture(pk)
        hold.closed = True
        assert given.amount == hold.amount
        self.given[given.pk] = Given(hold.user, hold.amount, hold.day)
        return given.pk

    @rule(pk=holds)
    def release(self, pk: int) -> None:
        hold = self.held[pk]
        if refusal := self._refusal(hold):
            with pytest.raises(refusal):
                services.release(pk)
            return
        services.release(pk)
        hold.closed = True

    def _refusal(self, hold: Hold) -> type[DomainError] | None:
        if hold.closed:
            return errors.ReservationClosed
        return errors.ReservationExpired if hold.until <= self.now else None

    @rule(pk=grants, share=st.sampled_from([None, 1, 3, 12]))
    def reverse(self, pk: int, share: int | None) -> None:
        given = self.given[pk]
        left = given.amount - given.back
        part = None if share is None else (given.amount / share).quantize(CENT, ROUND_HALF_UP)
        if part == 0:
            return
        if not left:
            with pytest.raises(errors.AlreadyReversed):
                services.reverse(pk, amount=part)
        elif part is not None and part > left:
            with pytest.raises(Invalid):
                services.reverse(pk, amount=part)
        else:
            assert services.reverse(pk, amount=part).amount == (part or left)
            given.back += part or left

    @rule(seconds=st.sampled_from([1, 900, 3_600, 40_000, 90_000]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        clock_shows(self.now)

    @rule()
    def sweep(self) -> None:
        services.release_overdue()

    @rule(more=st.integers(1, 5))
    def top_up(self, more: int) -> None:
        promotions.top_up(self.campaign.pk, amount=Decimal(more))
        self.total += more

    @invariant()
    def money_is_where_it_should_be(self) -> None:
        reserved, spent = balance(self.campaign)
        assert spent == self._spent()
        assert reserved >= sum((one.amount for one in self._open()), Decimal(0))
        assert reserved + spent <= self.total


@pytest.mark.django_db
def test_the_engine_and_a_plain_model_agree():
    run_state_machine_as_test(
        Shop, settings=settings(max_examples=30, stateful_step_count=30, deadline=None)
    )
