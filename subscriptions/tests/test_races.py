"""Two at once on one pair, and on a promotion that pauses meanwhile."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from accounts.keys import create_key
from accounts.models import AuditEntry
from accounts.roles import Scope
from accounts.tests.factories import UserFactory
from promopulse.lib.time import db_now
from promotions.errors import PromotionPaused
from promotions.models import Promotion
from promotions.tests.factories import ActivePromotionFactory
from subscriptions import services
from subscriptions.errors import AlreadyInactive
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(number, act):
    """Run `act` in threads that start together; what each gave."""
    gate = Barrier(number)

    def one(_):
        try:
            gate.wait()
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


@pytest.mark.parametrize("number", [2, 16])
def test_one_of_many_gets_the_pair(number):
    body = {"user_id": UserFactory().pk, "promotion_id": ActivePromotionFactory().pk}
    _, key = create_key(name="shop", scopes=[Scope.CUSTOMERS_WRITE])

    def post():
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
        response = client.post("/api/v1/subscriptions", body)
        return response.status_code, response.json().get("code")

    assert Counter(at_once(number, post)) == {
        (201, None): 1,
        (409, "already_subscribed"): number - 1,
    }
    assert Subscription.objects.count() == 1
    assert AuditEntry.objects.filter(action="subscription.subscribe").count() == 1


def test_one_of_many_opts_out():
    subscription = SubscriptionFactory()

    def leave():
        try:
            return services.deactivate(subscription.pk).is_active
        except AlreadyInactive:
            return "already"

    assert Counter(at_once(8, leave)) == {False: 1, "already": 7}
    assert AuditEntry.objects.filter(action="subscription.deactivate").count() == 1


def test_nobody_gets_in_behind_a_pause():
    """A pause that is under way is waited for and then seen."""
    user, promotion = UserFactory(), ActivePromotionFactory()
    pausing = Event()

    def subscribe():
        pausing.wait(5)
        try:
            services.subscribe(user_id=user.pk, promotion_id=promotion.pk)
        except PromotionPaused:
            return "paused"
        finally:
            connection.close()
        return "subscribed"

    with ThreadPoolExecutor(1) as pool:
        joining = pool.submit(subscribe)
        with transaction.atomic():
            Promotion.objects.filter(pk=promotion.pk).update(paused_at=db_now())
            pausing.set()
            with pytest.raises(TimeoutError):
                joining.result(timeout=0.3)
        assert joining.result(timeout=5) == "paused"
    assert not Subscription.objects.exists()
