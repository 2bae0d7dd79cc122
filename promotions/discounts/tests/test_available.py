"""Which discounts a cart can have, in which order, and why the others do not apply."""

from datetime import timedelta
from decimal import Decimal
from time import sleep
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.errors import UserNotFound
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promopulse.lib.errors import Invalid
from promotions import services as promotions
from promotions.discounts import offers, services
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory

pytestmark = pytest.mark.django_db


def flat(amount: Any, **kwargs: Any):
    terms = {"discount_flat": amount} | kwargs.pop("discount", {})
    return CampaignFactory(discount=terms, **kwargs)


def available(user=None, cart=100, **kwargs):
    user_id = (user or UserFactory()).pk
    return offers.available(user_id=user_id, cart_value=Decimal(cart), **kwargs)


def ids(found):
    return [offer.terms.promotion_id for offer in found]


def reasons(found):
    return {one.terms.promotion_id: one.refusal.code for one in found.ineligible}


def test_the_best_of_each_type_comes_first():
    small, large = flat(5), flat(9)
    share = CampaignFactory(discount={"discount_percentage": Decimal("7.5")})
    delivery = flat(100, discount={"discount_type": "delivery"})
    found = available(delivery_charge=Decimal("4.90"))
    assert ids(found.cart) == [large.pk, share.pk, small.pk]
    assert [offer.amount for offer in found.cart] == [9, Decimal("7.50"), 5]
    (only,) = found.delivery
    assert ids([only]) == [delivery.pk]
    assert (only.amount, only.original, only.final, only.limited_by) == (
        Decimal("4.90"),
        Decimal("4.90"),
        0,
        "value",
    )


def test_equal_ones_are_ordered_by_their_end():
    later = flat(5)
    sooner = flat(5, end_at=timezone.now() + timedelta(days=1))
    assert ids(available().cart) == [sooner.pk, later.pk]


def test_a_budget_that_is_nearly_gone_falls_behind_one_that_was_not_looked_at_first():
    few = [flat(9, budget=1) for _ in range(offers._SPARE + 1)]
    steady = flat(5)
    found = available(limit=1)
    assert ids(found.cart) == [steady.pk]
    found = available(limit=3)
    assert ids(found.cart) == [steady.pk, few[0].pk, few[1].pk]
    assert [(offer.amount, offer.limited_by) for offer in found.cart] == [
        (5, ""),
        (1, "budget"),
        (1, "budget"),
    ]


def test_used_up_days_and_budgets_are_left_out():
    user = UserFactory()
    once, broke, steady = flat(9), flat(8, budget=8), flat(5)
    services.grant(promotion_id=once.pk, user_id=user.pk, cart_value=Decimal(50))
    services.grant(promotion_id=broke.pk, user_id=UserFactory().pk, cart_value=Decimal(50))
    assert ids(available(user).cart) == [steady.pk]
    assert reasons(available(user, include_ineligible=True)) == {
        once.pk: "daily_limit_reached",
        broke.pk: "budget_exhausted",
    }


def test_what_is_held_too_long_counts_as_free():
    user = UserFactory()
    campaign = flat(8, budget=8)
    services.reserve(
        promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(50), ttl_seconds=1
    )
    assert not available(user).cart
    sleep(1.1)
    assert [offer.amount for offer in available(user).cart] == [8]


def test_an_audience_sees_its_own():
    user, member, stranger = UserFactory(), UserFactory(), UserFactory()
    pool = PoolFactory()
    PoolMembershipFactory(pool=pool, user=member)
    campaign = flat(5, users=[user], pools=[pool])
    for one in (user, member):
        assert ids(available(one).cart) == [campaign.pk]
    assert not available(stranger).cart
    assert not available(stranger, include_ineligible=True).ineligible
    assert reasons(available(stranger, include_ineligible=True, of_others=True)) == {
        campaign.pk: "not_targeted"
    }


def test_every_campaign_that_does_not_apply_says_why():
    now = timezone.now()
    paused = flat(1)
    promotions.pause(paused.pk)
    soon = flat(1, start_at=now + timedelta(days=1), activated_at=now)
    over = flat(1, start_at=now - timedelta(days=2), end_at=now - timedelta(days=1))
    euros = flat(1, currency="EUR")
    dear = flat(1, discount={"min_cart_value": Decimal("100.01")})
    delivery = flat(1, discount={"discount_type": "delivery"})
    fine = flat(1)
    DraftCampaignFactory()
    ended = flat(1)
    promotions.change_status(ended.pk, status="ended")
    found = available(currency="USD", include_ineligible=True)
    assert ids(found.cart) == [fine.pk]
    assert reasons(found) == {
        paused.pk: "promotion_paused",
        soon.pk: "promotion_not_started",
        over.pk: "promotion_expired",
        euros.pk: "currency_mismatch",
        dear.pk: "min_cart_value_not_met",
        delivery.pk: "nothing_to_discount",
    }
    (short,) = (one.refusal for one in found.ineligible if one.terms.promotion_id == dear.pk)
    assert short.params == {"required": "100.01", "actual": "100.00", "missing": "0.01"}


def test_changes_are_seen_at_once():
    campaign = flat(5)
    assert available().cart
    promotions.pause(campaign.pk)
    assert not available().cart
    promotions.resume(campaign.pk)
    promotions.update_promotion(campaign.pk, changes={"name": "New name"})
    assert available().cart[0].terms.name == "New name"
    promotions.change_status(campaign.pk, status="ended")
    assert not available().cart


def test_currencies_have_their_decimals():
    yen, dinar = flat(5, currency="JPY"), flat(Decimal("0.125"), currency="KWD")
    assert set(ids(available(cart="10").cart)) == {yen.pk, dinar.pk}
    found = available(cart="10.5", include_ineligible=True)
    assert ids(found.cart) == [dinar.pk]
    assert reasons(found) == {yen.pk: "currency_mismatch"}
    with pytest.raises(Invalid):
        available(cart="10.5", currency="JPY")


def test_nobody_has_no_offers():
    with pytest.raises(UserNotFound):
        offers.available(user_id=987_654_321, cart_value=Decimal(1))


def test_it_takes_the_same_few_queries_for_many_campaigns(django_assert_num_queries):
    user = UserFactory()
    for amount in range(1, 60):
        flat(amount, budget=1000)
    available(user)
    with django_assert_num_queries(0):  # prepared statements are not counted by Django
        found = available(user)
    assert len(found.cart) == offers.DEFAULT_LIMIT


@settings(max_examples=25, deadline=None)
@given(
    campaigns=st.lists(
        st.tuples(st.integers(1, 50), st.none() | st.integers(1, 60)), min_size=1, max_size=8
    ),
    limit=st.integers(1, 8),
)
def test_looking_at_few_finds_what_looking_at_all_finds(campaigns, limit):
    with transaction.atomic():
        user = UserFactory()
        for amount, budget in campaigns:
            flat(amount, budget=budget)
        few = available(user, limit=limit)
        every = available(user, limit=limit, include_ineligible=True)
        transaction.set_rollback(True)
    assert [offer.amount for offer in few.cart] == [offer.amount for offer in every.cart]
    assert few.cart
