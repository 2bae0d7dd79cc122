"""Grants become REDEEM events exactly once, whatever happened to promotion and opt-in since."""

from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.tests.factories import UserFactory
from accounts.tests.threads import at_once
from engagement import grants, processing
from engagement.invariants import INVARIANTS
from engagement.models import DeadLetterEvent, Event, EventStat, IngestBatch, ProcessedEvent
from promopulse.lib.invariants import violations
from promotions import services as promotions
from promotions.discounts import services
from promotions.discounts.models import GrantOutbox
from promotions.discounts.tests.factories import CampaignFactory
from subscriptions import services as subscriptions

FLAT = {"discount": {"discount_flat": 4, "max_usage_per_customer_per_day": 100}}


def grant(campaign, user):
    return services.grant(promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(50))


def broken():
    return [one.words for one in INVARIANTS if violations(one)]


@pytest.mark.django_db
def test_a_grant_is_counted_once_as_a_redeem_event():
    campaign, user = CampaignFactory(**FLAT), UserFactory()
    subscription = subscriptions.subscribe(user_id=user.pk, promotion_id=campaign.pk)
    first = grant(campaign, user)
    assert not broken()
    assert grants.take_over() == 1
    assert not broken()
    assert grants.take_over() == 0
    processing.drain()
    fact = Event.objects.get()
    assert (fact.event_id, fact.type, fact.amount, fact.occurred_at) == (
        f"pp:redemption:{first.pk}",
        "REDEEM",
        4,
        first.granted_at,
    )
    assert fact.subscription_id == subscription.pk
    assert not GrantOutbox.objects.exists()
    grant(campaign, user)
    processing.drain()
    stat = EventStat.objects.get(type="REDEEM")
    assert (stat.events, stat.new_users, stat.amount) == (2, 1, 8)
    assert not broken()


@pytest.mark.django_db
def test_a_capture_after_the_end_is_a_fact_all_the_same():
    campaign, user = CampaignFactory(**FLAT), UserFactory()
    subscription = subscriptions.subscribe(user_id=user.pk, promotion_id=campaign.pk)
    held = services.reserve(promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(50))
    subscriptions.deactivate(subscription.pk)
    promotions.change_status(campaign.pk, status="ended")
    services.capture(held.pk)
    processing.drain()
    assert Event.objects.count() == 1
    assert not DeadLetterEvent.objects.exists()


@pytest.mark.django_db
def test_a_take_over_that_dies_leaves_the_grant_where_it_was():
    campaign, user = CampaignFactory(**FLAT), UserFactory()
    grant(campaign, user)
    with transaction.atomic():
        grants.take_over()
        transaction.set_rollback(True)
    assert GrantOutbox.objects.count() == 1
    assert not IngestBatch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_that_take_over_at_once_share_the_grants():
    campaign, user = CampaignFactory(**FLAT), UserFactory()
    for _ in range(12):
        grant(campaign, user)
    taken = at_once(grants.take_over, times=8)
    assert sum(taken) == 12
    processing.drain()
    assert ProcessedEvent.objects.count() == 12
    assert not broken()


@pytest.mark.django_db
def test_a_grant_that_nobody_tells_of_is_found():
    campaign, user = CampaignFactory(**FLAT), UserFactory()
    grant(campaign, user)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM discounts_grantoutbox")
    assert broken()
