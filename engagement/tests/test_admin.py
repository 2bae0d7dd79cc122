"""Engagement's admin pages open, search by index, and change nothing."""

import json
import shlex
from datetime import UTC, datetime
from html import unescape

import pytest
from django.apps import apps

from accounts.tests.factories import UserFactory
from engagement import processing
from engagement.causes import CAUSES
from engagement.letters.replaying import replay
from engagement.letters.selection import Selection
from engagement.models import Consumption, DeadLetterEvent, Event, Pruned, RetryEvent
from engagement.tests.factories import event, send_and_process
from promotions.discounts.tests.carts import grant
from promotions.discounts.tests.factories import CampaignFactory
from promotions.services import change_status
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
MODELS = sorted(model.__name__.lower() for model in apps.get_app_config("engagement").get_models())


@pytest.fixture
def ops(client):
    client.force_login(UserFactory(role="ops"))
    return client


@pytest.fixture
def traffic():
    subscription = SubscriptionFactory()
    sent = event(subscription_id=subscription.pk)
    draft = event(user_id=subscription.user_id, promotion_id=PromotionFactory().pk)
    send_and_process(sent, draft, event(subscription_id=9_999_999))
    Consumption.objects.create()
    Pruned.objects.create()
    return sent["event_id"]


@pytest.mark.parametrize("name", MODELS)
def test_lists_open_in_few_queries(ops, traffic, name, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        page = ops.get(f"/admin/engagement/{name}/")
    assert page.status_code == 200
    assert page.context["cl"].result_count >= 1
    key = page.context["cl"].result_list[0].pk
    assert ops.get(f"/admin/engagement/{name}/{key}/change/").status_code == 200


def test_an_event_that_is_tried_again_says_why_and_hides_people(ops):
    send_and_process(event(subscription_id=9_999_999, metadata={"mail": "wren@aviary.example"}))
    waits = RetryEvent.objects.get()
    page = ops.get(f"/admin/engagement/retryevent/{waits.pk}/change/").content.decode()
    assert "No such subscription" in page
    assert "aviary" not in page
    assert f"{waits.event_id}: No such subscription" in page


@pytest.mark.parametrize(
    ("name", "cause"),
    [("retryevent", "unknown_subscription"), ("deadletterevent", "promotion_not_active")],
)
def test_causes_are_told_in_words_in_column_filter_and_page(ops, traffic, name, cause):
    words = CAUSES[cause].words
    rows = ops.get(f"/admin/engagement/{name}/?cause={cause}")
    (row,) = rows.context["cl"].result_list
    (offered,) = [one for one in rows.context["cl"].filter_specs if one.title == "cause"]
    assert offered.lookup_choices == [(code, one.words) for code, one in CAUSES.items()]
    assert words in rows.content.decode()
    assert f">{cause}<" not in rows.content.decode()
    page = ops.get(f"/admin/engagement/{name}/{row.pk}/change/").content.decode()
    assert f">{words}<" in page


@pytest.mark.parametrize("name", MODELS)
def test_facts_cannot_be_made_or_deleted(ops, name):
    assert ops.get(f"/admin/engagement/{name}/add/").status_code == 403
    assert ops.post(f"/admin/engagement/{name}/1/delete/").status_code in (302, 403, 404)


def test_an_event_is_found_by_its_id(ops, traffic, django_assert_max_num_queries):
    page = ops.get(f"/admin/engagement/event/?q={traffic}")
    assert page.context["cl"].result_count == 1
    page = ops.get("/admin/engagement/event/?q=unknown")
    assert page.context["cl"].result_count == 0
    assert Event.objects.count() == 1


@pytest.mark.parametrize("name", ["eventstat", "promotionuser"])
def test_rows_are_found_by_promotion(ops, traffic, name):
    promotion_id = Event.objects.get().promotion_id
    for term, count in ((promotion_id, 1), (promotion_id + 999, 0), ("x", 0), ("9" * 30, 0)):
        page = ops.get(f"/admin/engagement/{name}/?q={term}")
        assert page.context["cl"].result_count == count


def test_a_bound_is_no_count_and_no_filter_has_nothing_to_show_all_of(ops, monkeypatch):
    person = UserFactory(name="Nia")
    words = ops.get("/admin/accounts/user/").content.decode()
    assert "or more" not in words
    assert "Show all" not in words
    assert "Show all" in ops.get(f"/admin/accounts/user/?q={person.pk}").content.decode()
    monkeypatch.setattr("promopulse.lib.admin.lists.COUNTED_TO", 2)
    assert "2 or more users" in " ".join(ops.get("/admin/accounts/user/").content.decode().split())


def test_the_console_names_who_is_signed_in(client):
    client.force_login(UserFactory(role="ops", name="Omar Ops"))
    assert "Omar Ops" in client.get("/admin/").content.decode()


def test_customers_and_marketers_do_not_see_events(client):
    for role, status in (("customer", 302), ("marketer", 403)):
        client.force_login(UserFactory(role=role))
        assert client.get("/admin/engagement/event/").status_code == status


def test_an_event_is_shown_masked_and_as_the_request_that_sends_it(ops):
    told = {"mail": "alice@example.com"}
    subscription = SubscriptionFactory()
    sent = event(subscription_id=subscription.pk, type="REDEEM", amount="2.50", metadata=told)
    send_and_process(sent)
    fact = Event.objects.get()
    page = unescape(ops.get(f"/admin/engagement/event/{fact.pk}/change/").content.decode())
    assert "alice@example.com" not in page
    assert "curl -X POST /api/v1/events/ingest" in page
    assert "Its metadata may be masked here" in page
    assert "None is known" in page
    assert f'"event_id": "{fact.event_id}"' in page
    for words in (f"promotion:{fact.promotion_id}", f"user:{fact.user_id}", fact.event_id):
        found = ops.get("/admin/engagement/event/", {"q": words}).context["cl"].result_count
        assert found == 1, words
    assert ops.get("/admin/engagement/event/", {"q": "user:0"}).context["cl"].result_count == 0


def sent_by_curl(page):
    """What the line of an event's page would send."""
    line = unescape(page.content.decode()).split("curl -X POST", 1)[1].split("</pre>")[0]
    words = shlex.split(line.replace("\\\n", " "))
    return json.loads(words[words.index("-d") + 1])


def test_the_request_that_is_shown_is_a_duplicate_however_it_was_sent(ops):
    one = SubscriptionFactory()
    pair = {"user_id": one.user_id, "promotion_id": one.promotion_id}
    now = datetime.now(UTC)
    ways = [
        {"subscription_id": one.pk},
        {"subscription_id": one.pk, "occurred_at": now.isoformat()},
        {**pair, "occurred_at": f"{now:%Y-%m-%dT%H:%M:%S}Z"},
        {**pair, "type": "REDEEM", "amount": "2.50"},
        {**pair, "subscription_id": one.pk, "type": "REDEEM", "amount": 7},
    ]
    send_and_process(*(event(**way) for way in ways))
    facts = Event.objects.all()
    assert len(facts) == len(ways)
    for fact in facts:
        sent = sent_by_curl(ops.get(f"/admin/engagement/event/{fact.pk}/change/"))
        assert sent["event_id"] == fact.event_id
        answer = send_and_process(sent)
        assert (answer.accepted, answer.duplicates, answer.rejected) == (0, 1, []), sent
    assert Event.objects.count() == len(ways)


def test_what_the_engine_tells_itself_is_no_request(ops):
    redemption = grant(CampaignFactory(), UserFactory())
    processing.drain()
    fact = Event.objects.get()
    page = ops.get(f"/admin/engagement/event/{fact.pk}/change/").content.decode()
    assert f"pp:redemption:{redemption.pk}" in page
    assert "curl" not in page.split("As curl", 1)[-1].split("</form>")[0]
    assert "Nobody sent it" in page


def test_an_event_that_is_not_counted_is_found_where_it_is(ops):
    subscription, draft = SubscriptionFactory(), PromotionFactory()
    dead = event(user_id=subscription.user_id, promotion_id=draft.pk)
    retried = event(user_id=subscription.user_id, promotion_id=9_999_999)
    send_and_process(dead, retried)
    told = {
        one["event_id"]: unescape(
            ops.get("/admin/engagement/event/", {"q": one["event_id"]}).content.decode()
        )
        for one in (dead, retried)
    }
    letter = DeadLetterEvent.objects.get()
    assert f"/admin/engagement/deadletterevent/{letter.pk}/change/" in told[dead["event_id"]]
    assert "It is being tried again" in told[retried["event_id"]]


def test_an_event_tells_of_its_time_as_a_dead_letter(ops):
    subscription, draft = SubscriptionFactory(), PromotionFactory()
    send_and_process(event(user_id=subscription.user_id, promotion_id=draft.pk))
    change_status(draft.pk, status="active")
    replay(Selection(cause="promotion_not_active"))
    processing.drain()
    fact = Event.objects.get()
    page = unescape(ops.get(f"/admin/engagement/event/{fact.pk}/change/").content.decode())
    assert "Never activated" in page
    found = ops.get("/admin/engagement/event/", {"q": fact.event_id})
    assert "It is a " not in found.content.decode()
