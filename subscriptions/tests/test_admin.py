"""Subscriptions in the admin: exact search, one action, nothing edited by hand."""

import pytest

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from promopulse.lib.time import db_now
from promotions.models import Promotion
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
URL = "/admin/subscriptions/subscription/"


@pytest.fixture
def marketer(client):
    user = UserFactory(role="marketer")
    client.force_login(user)
    client.user = user
    return client


def shown(response):
    return [row.pk for row in response.context["cl"].result_list]


def test_search_is_exact(marketer):
    wanted, other = SubscriptionFactory(user__email="Zoe@example.com"), SubscriptionFactory()
    for words in (" zoe@EXAMPLE.com", str(wanted.user_id + 10**9)):
        found = shown(marketer.get(URL, {"q": words}))
        assert found == ([wanted.pk] if "@" in words else [])
    assert wanted.pk in shown(marketer.get(URL, {"q": wanted.user_id}))
    assert other.pk in shown(marketer.get(URL, {"q": other.promotion_id}))
    for words in ("zoe", "nobody@example.com", "9" * 30, "²"):
        assert shown(marketer.get(URL, {"q": words})) == []


def test_the_list_costs_the_same_at_any_length(marketer, django_assert_max_num_queries):
    SubscriptionFactory.create_batch(20)
    with django_assert_max_num_queries(7):
        assert len(shown(marketer.get(URL))) == 20


def act(client, action, *subscriptions):
    body = {"action": action, "_selected_action": [one.pk for one in subscriptions]}
    response = client.post(URL, body, follow=True)
    return [str(message) for message in response.context["messages"]]


def test_actions_are_service_calls_with_their_actor(marketer):
    first, second = SubscriptionFactory.create_batch(2)
    assert act(marketer, "deactivate", first, second) == ["Done: 2."]
    assert act(marketer, "deactivate", first) == [
        "1 refused: The subscription is inactive already."
    ]
    Promotion.objects.filter(pk=second.promotion_id).update(paused_at=db_now())
    assert act(marketer, "reactivate", first, second) == [
        "Done: 1.",
        "1 refused: The promotion is paused.",
    ]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.is_active, second.is_active) == (True, False)
    entries = AuditEntry.objects.filter(object_type="subscription").order_by("id")
    assert [(entry.action, entry.object_id) for entry in entries] == [
        ("subscription.deactivate", first.pk),
        ("subscription.deactivate", second.pk),
        ("subscription.reactivate", first.pk),
    ]
    assert {(entry.actor_user_id, entry.via) for entry in entries} == {(marketer.user.pk, "admin")}


def test_facts_are_not_edited(marketer):
    subscription = SubscriptionFactory()
    assert marketer.get(f"{URL}{subscription.pk}/change/").status_code == 200
    assert marketer.post(f"{URL}{subscription.pk}/change/", {}).status_code == 403
    assert marketer.get(f"{URL}add/").status_code == 403
    assert marketer.post(f"{URL}{subscription.pk}/delete/", {"post": "yes"}).status_code == 403
