"""Subscriptions in the admin: exact search, planned switches, nothing edited by hand."""

from html import unescape

import pytest

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from promopulse.lib.time import db_now
from promotions.models import Promotion
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from subscriptions import services
from subscriptions.models import Subscription
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


def planned(client, action, *subscriptions):
    """The address of the plan that an action of the list leads to."""
    body = {"action": action, "_selected_action": [one.pk for one in subscriptions]}
    return client.post(URL, body)["Location"]


def confirm(client, address, **given):
    plan = client.get(address).context["plan"].hash
    response = client.post(address, {"plan": plan, **given}, follow=True)
    return [str(message) for message in response.context["messages"]]


def test_a_plan_first_then_service_calls_with_their_actor_and_reason(marketer):
    first, second = SubscriptionFactory.create_batch(2)
    plan = planned(marketer, "deactivate", first, second)
    page = marketer.get(plan)
    assert page.context["plan"].count == 2
    assert first.promotion.name in page.content.decode()
    assert Subscription.objects.filter(is_active=True).count() == 2, "a plan does nothing"
    (told,) = confirm(marketer, plan, reason="Asked on the phone")
    assert told.startswith("Deactivated: 2.")
    again = marketer.get(planned(marketer, "deactivate", first))
    assert again.context["plan"].count == 0
    assert "There is nothing to do" in again.content.decode()

    Promotion.objects.filter(pk=second.promotion_id).update(paused_at=db_now())
    (told,) = confirm(marketer, planned(marketer, "reactivate", first, second))
    assert told.startswith("Reactivated: 1. 1 refused: The promotion is paused.")
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
    assert entries[0].reason == "Asked on the phone"


def test_it_can_be_undone(marketer):
    one = SubscriptionFactory()
    (told,) = confirm(marketer, planned(marketer, "deactivate", one))
    undo = unescape(told.split('href="')[1].split('"')[0])
    confirm(marketer, undo)
    one.refresh_from_db()
    assert one.is_active


def test_a_plan_that_changed_does_nothing(marketer):
    one, other = SubscriptionFactory.create_batch(2)
    address = planned(marketer, "deactivate", one, other)
    plan = marketer.get(address).context["plan"].hash
    services.deactivate(other.pk)
    marketer.post(address, {"plan": plan})
    one.refresh_from_db()
    assert one.is_active


def test_who_only_looks_is_refused_however_it_is_sent(client):
    one = SubscriptionFactory()
    client.force_login(UserFactory(role="viewer"))
    address = f"{URL}switch/deactivate/?ids={one.pk}"
    assert client.get(address).status_code == 403
    assert client.post(address, {"plan": "x"}).status_code == 403
    one.refresh_from_db()
    assert one.is_active


@pytest.mark.parametrize("ids", ["", "x", "9" * 30, "0"])
def test_an_address_that_names_none(marketer, ids):
    page = marketer.get(f"{URL}switch/deactivate/?ids={ids}", follow=True)
    assert "Choose subscriptions." in page.content.decode()
    assert marketer.get(f"{URL}switch/forget/?ids=1").status_code == 404


def test_facts_are_not_edited(marketer):
    subscription = SubscriptionFactory()
    assert marketer.get(f"{URL}{subscription.pk}/change/").status_code == 200
    assert marketer.post(f"{URL}{subscription.pk}/change/", {}).status_code == 403
    assert marketer.get(f"{URL}add/").status_code == 403
    assert marketer.post(f"{URL}{subscription.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_list_of_promotions_counts_them_to_a_bound(marketer, monkeypatch):
    promotion = ActivePromotionFactory()
    SubscriptionFactory.create_batch(3, promotion=promotion)
    services.deactivate(Subscription.objects.earliest("pk").pk)
    PromotionFactory()

    def counts():
        rows = marketer.get("/admin/promotions/promotion/").context["cl"].result_list
        return [row.opted_in for row in rows]

    assert counts() == ["0", "2"]
    monkeypatch.setattr("subscriptions.admin.on_pages.COUNTED_EACH", 1)
    assert counts() == ["0", "1+"]
