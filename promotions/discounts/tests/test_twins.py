"""The triggers and rules.py judge alike: the same reason with the same numbers, the same price."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from accounts.tests.factories import UserFactory
from promopulse.lib import money
from promopulse.lib.errors import DomainError
from promotions import services as promotions
from promotions.discounts import catalogue, selectors, services
from promotions.discounts.rules import Cart, price, refusal
from promotions.discounts.selectors import Asking
from promotions.discounts.tests.factories import CampaignFactory
from promotions.discounts.tests.ledgers import broken, clock_shows

pytestmark = pytest.mark.django_db

START, END = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC)
MIDDLE = datetime(2026, 3, 29, 12, 30, 0, 250, tzinfo=UTC)
STEP = timedelta(microseconds=1)
CURRENCIES = {"JPY": 0, "USD": 2, "KWD": 3}


@dataclass(frozen=True)
class Case:
    currency: str
    discount: dict
    budget: Decimal | None
    at: datetime
    paused: bool
    audience: str
    cart: tuple[Decimal, Decimal]
    cart_currency: str | None
    granted: int  # before, to the same user
    held: int  # before, and overdue where `at` is late


@st.composite
def cases(draw):
    currency = draw(st.sampled_from(sorted(CURRENCIES)))

    def money_of(most, least=0):
        return money.from_minor(draw(st.integers(least, most)), currency)

    discount = {"discount_type": draw(st.sampled_from(["cart", "delivery"]))}
    if draw(st.booleans()):
        discount["discount_percentage"] = Decimal(draw(st.integers(1, 10_000))) / 100
    else:
        discount["discount_flat"] = money_of(2_000, 1)
    if draw(st.booleans()):
        discount["max_discount_amount"] = money_of(500, 1)
    if draw(st.integers(0, 3)) == 0:
        discount["min_cart_value"] = money_of(5_000)
    discount["max_usage_per_customer_per_day"] = draw(st.integers(1, 4))
    flaws = st.sampled_from(["", "", "", "", "", "", "paused", "time", "currency", "audience"])
    flaw = draw(flaws), draw(flaws)
    return Case(
        currency=currency,
        discount=discount,
        budget=money_of(3_000) if draw(st.booleans()) else None,
        at=draw(st.sampled_from([START - STEP, START, END - STEP, END]))
        if "time" in flaw
        else MIDDLE,
        paused="paused" in flaw,
        audience="others"
        if "audience" in flaw
        else draw(st.sampled_from(["everybody", "the user"])),
        cart=(money_of(10_000, 1_000), money_of(900, 1)),
        cart_currency=draw(st.sampled_from(["EUR", "BHD", "KRW"]))
        if "currency" in flaw
        else draw(st.sampled_from([None, currency])),
        granted=draw(st.integers(0, 2)),
        held=draw(st.integers(0, 2)),
    )


def made(case):
    """The campaign and its user, with what was granted and held in the middle of the window."""
    user = UserFactory()
    users = {"everybody": [], "the user": [user], "others": [UserFactory()]}[case.audience]
    campaign = CampaignFactory(
        currency=case.currency,
        discount=case.discount,
        budget=case.budget,
        start_at=START,
        end_at=END,
        users=users,
        timezone="Europe/Berlin",
    )
    clock_shows(min(MIDDLE, max(case.at, START)) - timedelta(seconds=61))
    cart = {"promotion_id": campaign.pk, "user_id": user.pk, "cart_value": case.cart[0]}
    cart["delivery_charge"] = case.cart[1]
    for number in range(case.granted + case.held):
        try:
            if number < case.granted:
                services.grant(**cart)
            else:
                services.reserve(**cart, ttl_seconds=60 + number % 2)
        except DomainError:
            break
    if case.paused:
        promotions.pause(campaign.pk)
    clock_shows(case.at)
    return campaign, user


def attempt(act, case, campaign, user):
    """The row that was made, or the refusal."""
    try:
        return act(
            promotion_id=campaign.pk,
            user_id=user.pk,
            cart_value=case.cart[0],
            delivery_charge=case.cart[1],
            currency=case.cart_currency,
        )
    except DomainError as refused:
        return refused


def foretold(case, campaign, user):
    """What rules.py says, and the price cut by the budget."""
    (terms,) = catalogue._read(catalogue._ONE, promotion_id=campaign.pk)
    targeted = frozenset([campaign.pk] if case.audience == "the user" else [])
    asking = Asking(user.pk, edition=0, at=case.at, targeted=targeted)
    standing = selectors.standings(asking, [terms])[campaign.pk]
    value, delivery = (money.to_minor(amount, case.currency) for amount in case.cart)
    cart = Cart(value, delivery, case.cart_currency)
    priced = price(terms, cart)
    amount, limited_by = priced.amount, priced.limited_by
    if standing.budget_left is not None and standing.budget_left < amount:
        amount, limited_by = standing.budget_left, "budget"
    return refusal(terms, cart, standing), money.from_minor(amount, case.currency), limited_by


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases(), act=st.sampled_from([services.grant, services.reserve]))
def test_a_grant_is_what_the_rules_foretell(case, act):
    if case.cart_currency not in (None, case.currency) and not all(
        money.is_exact(amount, case.cart_currency) for amount in case.cart
    ):
        return  # no cart of that currency
    with transaction.atomic():
        campaign, user = made(case)
        reason, amount, limited_by = foretold(case, campaign, user)
        outcome = attempt(act, case, campaign, user)
        if isinstance(outcome, DomainError):
            event(outcome.code)
            assert reason is not None, outcome.code
            assert (outcome.code, outcome.params) == (reason.code, reason.params)
        else:
            event("granted")
            assert reason is None, reason
            assert (outcome.amount, outcome.limited_by) == (amount, limited_by)
            assert money.is_exact(outcome.amount, case.currency)
        assert not broken()
        transaction.set_rollback(True)
