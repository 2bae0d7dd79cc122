"""Refusals are added up apart from grants, kept, and shown on the promotion's page by reason."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from accounts.tests.factories import UserFactory
from promopulse.lib.errors import DomainError
from promotions.discounts import refused, services
from promotions.discounts.models import Redemption, RefusalCount
from promotions.discounts.tests.carts import grant
from promotions.discounts.tests.factories import CampaignFactory
from promotions.services import pause
from promotions.tests.admin_pages import change, logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noted():
    refused.noted.forget()
    yield refused.noted
    refused.noted.forget()


def refuse(campaign, user=None, **more):
    with pytest.raises(DomainError) as error:
        services.grant(
            promotion_id=campaign.pk,
            user_id=(user or UserFactory()).pk,
            cart_value=Decimal(100),
            **more,
        )
    return error.value.code


def test_each_reason_is_counted(noted):
    campaign, user = CampaignFactory(), UserFactory()
    grant(campaign, user)
    codes = [refuse(campaign, user), refuse(campaign, user), refuse(campaign, currency="EUR")]
    with pytest.raises(DomainError):
        services.reserve(promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(100))
    pause(campaign.pk, reason="x")
    codes.append(refuse(campaign))
    assert codes == [*["daily_limit_reached"] * 2, "currency_mismatch", "promotion_paused"]
    assert noted.write() == 3
    assert refused.by_reason(campaign.pk, 1) == {
        "daily_limit_reached": 3,
        "currency_mismatch": 1,
        "promotion_paused": 1,
    }
    refuse(campaign)
    assert noted.write() == 1
    assert refused.by_reason(campaign.pk, 1)["promotion_paused"] == 2


def test_strangers_make_no_rows(noted):
    campaign = CampaignFactory()
    for promotion_id, user_id in ((campaign.pk, 9_999_999), (9_999_999, UserFactory().pk)):
        with pytest.raises(DomainError):
            services.grant(promotion_id=promotion_id, user_id=user_id, cart_value=Decimal(100))
    with pytest.raises(DomainError):
        services.grant(promotion_id=campaign.pk, user_id=UserFactory().pk, cart_value=Decimal(-1))
    assert noted.write() == 0


def test_a_refusal_writes_nothing_itself_and_outlives_its_transaction(noted):
    campaign, user = CampaignFactory(), UserFactory()
    grant(campaign, user)
    with transaction.atomic():
        refuse(campaign, user)
        assert not RefusalCount.objects.exists()
        transaction.set_rollback(True)
    noted.write()
    assert refused.by_reason(campaign.pk, 1) == {"daily_limit_reached": 1}
    assert Redemption.objects.count() == 1


def test_what_is_refused_while_it_writes_is_not_lost(noted, monkeypatch):
    campaign, user = CampaignFactory(), UserFactory()
    grant(campaign, user)
    add = refused._add

    def slowly(sums):
        refuse(campaign, user)
        add(sums)

    refuse(campaign, user)
    monkeypatch.setattr(refused, "_add", slowly)
    noted.write()
    monkeypatch.setattr(refused, "_add", add)
    noted.write()
    assert refused.by_reason(campaign.pk, 1) == {"daily_limit_reached": 2}


def test_it_waits_while_the_database_is_away(noted, monkeypatch):
    campaign, user = CampaignFactory(), UserFactory()
    grant(campaign, user)
    refuse(campaign, user)
    add = refused._add

    def away(sums):
        raise OperationalError("gone")

    monkeypatch.setattr(refused, "_add", away)
    assert noted.write() == 0
    monkeypatch.setattr(refused, "_add", add)
    assert noted.write() == 1
    assert refused.by_reason(campaign.pk, 1) == {"daily_limit_reached": 1}


def test_only_so_many_wait(noted, monkeypatch):
    monkeypatch.setattr(refused, "MOST_WAITING", 2)
    refusal = refused.errors.PromotionPaused()
    for number in (1, 2, 3, 1):
        noted.note(number, refusal)
    assert noted.write() == 2
    assert [sum(refused.by_reason(number, 1).values()) for number in (1, 2, 3)] == [2, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_processes_add_to_the_same_rows(noted):
    """Each with its own sums, in another order: none waits for another for ever, none is lost."""
    today = datetime.now(UTC).date()
    keys = [(number, today, "promotion_paused") for number in range(1, 40)]
    failed = []

    def process(ours):
        try:
            for _ in range(10):
                refused._add(Counter(dict.fromkeys(ours, 1)))
        except DatabaseError as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=process, args=(keys[::step],)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set(RefusalCount.objects.values_list("refused", flat=True)) == {40}


@pytest.mark.django_db(transaction=True)
def test_a_thread_writes_it_soon(noted, settings):
    settings.REFUSALS_WRITTEN_AFTER = 0.05
    campaign, user = CampaignFactory(), UserFactory()
    grant(campaign, user)
    refuse(campaign, user)
    timer = noted._timer
    refuse(campaign, user)
    assert noted._timer is timer, "one for all"
    timer.join(10)
    assert refused.by_reason(campaign.pk, 1) == {"daily_limit_reached": 2}
    assert noted._timer is None


def test_the_page_says_why_and_how_often(noted):
    campaign = CampaignFactory()
    old = datetime.now(UTC).date() - timedelta(days=40)
    RefusalCount.objects.create(promotion_id=campaign.pk, day=old, code="not_targeted", refused=9)
    client, _ = logged_in("marketer")
    page = f"{change(campaign.pk)}?tab=performance"
    assert "Refused, 30 days" not in client.get(page).content.decode()
    user = UserFactory()
    grant(campaign, user)
    refuse(campaign, user)
    noted.write()
    words = " ".join(client.get(page).content.decode().split())
    assert "Refused, 30 days" in words
    assert "Daily limit reached" in words
    assert "Not targeted" not in words
