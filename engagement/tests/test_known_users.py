"""Subscriptions remember for which types their user is a unique user: no second look."""

from datetime import UTC, datetime

import pgtrigger
import pytest
from django.db import connection

from accounts.tests.factories import UserFactory
from engagement import processing
from engagement.models import EventStat, PromotionUser
from engagement.processing import breaker, statement, work
from engagement.rebuild import rebuild
from engagement.tests.factories import event, send, send_and_process
from engagement.tests.interleaved import elsewhere
from engagement.tests.letters import violations
from engagement.tests.poison import poisoned
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
VIEW, CLICK, REDEEM = 1, 2, 4


@pytest.fixture
def subscription():
    return SubscriptionFactory()


def remembered(subscription):
    return Subscription.objects.get(pk=subscription.pk).counted_types


def of(subscription, kind="VIEW", **more):
    return event(subscription_id=subscription.pk, type=kind, **more)


def unique_users():
    users = PromotionUser.objects.count()
    assert sum(cell.new_users for cell in EventStat.objects.all()) == users
    return users


def row_version(subscription):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xmin::text, ctid::text FROM subscriptions_subscription WHERE id = %s",
            [subscription.pk],
        )
        return cursor.fetchone()


def test_each_type_is_remembered_once(subscription):
    other = SubscriptionFactory(promotion=subscription.promotion)
    assert remembered(subscription) == 0
    send_and_process(of(subscription), of(subscription))
    assert (remembered(subscription), remembered(other)) == (VIEW, 0)
    send_and_process(of(subscription, "REDEEM"), of(subscription, "CLICK"), of(other, "CLICK"))
    assert (remembered(subscription), remembered(other)) == (VIEW | CLICK | REDEEM, CLICK)
    before = row_version(subscription)
    send_and_process(of(subscription), of(subscription, "REDEEM"))
    assert row_version(subscription) == before, "nothing new is written"
    assert unique_users() == 4
    assert violations() == {}


def test_who_is_remembered_is_not_looked_for(subscription):
    """Seen by a memory that is wrong: it is believed, and the audit finds it."""
    Subscription.objects.filter(pk=subscription.pk).update(counted_types=VIEW)
    send_and_process(of(subscription), of(subscription, "CLICK"))
    assert list(PromotionUser.objects.values_list("type", flat=True)) == ["CLICK"]
    assert sum(violations().values()) > 0


def test_the_pair_of_a_subscription_uses_its_memory(subscription):
    pair = {"user_id": subscription.user_id, "promotion_id": subscription.promotion_id}
    send_and_process(event(**pair))
    assert remembered(subscription) == VIEW
    before = row_version(subscription)
    send_and_process(event(**pair), of(subscription))
    assert row_version(subscription) == before
    assert unique_users() == 1


def test_who_opts_in_later_is_known_already():
    user, promotion = UserFactory(), ActivePromotionFactory()
    for _ in range(2):
        send_and_process(event(user_id=user.pk, promotion_id=promotion.pk))
    subscription = SubscriptionFactory(user=user, promotion=promotion)
    send_and_process(of(subscription))
    assert remembered(subscription) == VIEW
    assert unique_users() == 1
    assert violations() == {}


@pytest.mark.parametrize("lock", ["UPDATE", "NO KEY UPDATE", "SHARE"])
def test_processing_does_not_wait_for_who_holds_the_subscription(subscription, lock):
    def hold():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT FROM subscriptions_subscription WHERE id = %s FOR {lock}",
                [subscription.pk],
            )

    with elsewhere(hold), connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '2s'")
        try:
            send_and_process(of(subscription))
        finally:
            cursor.execute("RESET lock_timeout")
        assert unique_users() == 1
    assert remembered(subscription) == 0
    send_and_process(of(subscription))
    assert remembered(subscription) == VIEW
    assert unique_users() == 1
    assert violations() == {}


def test_nothing_is_remembered_of_what_is_undone(subscription, monkeypatch):
    send(of(subscription))

    def power_cut(*_given):
        assert remembered(subscription) == VIEW
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work, "_finish", power_cut)
        with pytest.raises(KeyboardInterrupt):
            processing.drain()
    assert (remembered(subscription), unique_users()) == (0, 0)
    assert violations() == {}


def test_nothing_is_remembered_of_a_part_that_fails(subscription, monkeypatch):
    breaker._recent.clear()
    monkeypatch.setattr(statement, "_run", poisoned("raise"))
    bad = of(subscription, "CLICK", event_id="poison-click")
    send_and_process(of(subscription), bad, of(subscription, "REDEEM"))
    assert remembered(subscription) == VIEW | REDEEM
    assert unique_users() == 2
    assert violations() == {}


def test_what_is_refused_is_not_remembered(subscription):
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
    send_and_process(of(subscription, occurred_at=long_ago))
    assert remembered(subscription) == 0


def lose(*tables):
    with pgtrigger.ignore(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {table} WHERE type = 'VIEW'")


def test_a_rebuild_takes_back_what_is_not_so(subscription):
    other = SubscriptionFactory(promotion=subscription.promotion)
    send_and_process(of(subscription), of(subscription, "CLICK"), of(other, "CLICK"))
    lose("engagement_event", "engagement_promotionuser")
    assert rebuild(check_only=False).total > 0
    assert (remembered(subscription), remembered(other)) == (CLICK, CLICK)
    send_and_process(of(subscription))
    assert unique_users() == 3
    assert remembered(subscription) == VIEW | CLICK


def test_a_rebuild_that_brings_a_user_back_leaves_the_memory(subscription):
    send_and_process(of(subscription))
    lose("engagement_promotionuser")
    assert rebuild(check_only=True).users == 1
    assert rebuild(check_only=False).users == 1
    assert (remembered(subscription), unique_users()) == (VIEW, 1)
    assert violations() == {}


def test_a_memory_that_is_wrong_alone_is_mended_too(subscription):
    send_and_process(of(subscription))
    Subscription.objects.filter(pk=subscription.pk).update(counted_types=VIEW | REDEEM)
    assert sum(violations().values()) == 1
    assert rebuild(check_only=True).users == 1
    assert remembered(subscription) == VIEW | REDEEM, "only looked at"
    rebuild(check_only=False)
    assert remembered(subscription) == VIEW
    assert violations() == {}


def test_a_memory_that_is_missing_is_no_fault(subscription):
    send_and_process(of(subscription))
    Subscription.objects.update(counted_types=0)
    assert violations() == {}
    assert rebuild(check_only=True).total == 0
    send_and_process(of(subscription))
    assert (remembered(subscription), unique_users()) == (VIEW, 1)
