"""Requests are kept as columns: whatever an event may say arrives as it was said."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from accounts.tests.factories import UserFactory
from engagement import erasure, ingest, processing
from engagement.models import Event, IngestBatch, RetryEvent
from engagement.tests.factories import event, send, send_and_process
from engagement.tests.letters import violations
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)

LARGEST = 2**63 - 1


@pytest.fixture
def subscription():
    return SubscriptionFactory()


def test_ids_that_look_like_something_else(subscription):
    ids = ["NULL", "null", "{" + "a" * 33 + "}", "a" * 128, "1", "-", ".", ":", "Z", "a", "B"]
    outcome = send(*(event(event_id=one, subscription_id=subscription.pk) for one in ids))
    assert (outcome.accepted, outcome.rejected) == (len(ids), [])
    processing.drain()
    assert list(Event.objects.order_by("id").values_list("event_id", flat=True)) == ids
    assert violations() == {}


@pytest.mark.parametrize("odd", ["a,b", "a b", "", "ä", "a" * 129, "a\n", "a\x00"])
def test_ids_that_are_none_do_not_sink_the_others(subscription, odd):
    good, bad = (event(subscription_id=subscription.pk) for _ in range(2))
    outcome = send(good, {**bad, "event_id": odd})
    assert outcome.accepted == 1
    assert [(row.index, row.code) for row in outcome.rejected] == [(1, "validation_error")]


def test_each_event_has_its_own_values(subscription):
    """Some with a subscription and some without, some with an amount, metadata or a time."""
    pair = {"user_id": subscription.user_id, "promotion_id": subscription.promotion_id}
    named = {"subscription_id": subscription.pk}
    sent = [
        event(**pair, metadata={"note": "x,y{}NULL", "deep": {"a": [1, None]}}),
        event(**named, type="REDEEM", amount="1E+2"),
        event(**named, type="CLICK", metadata={}),
        event(**pair, type="REDEEM", amount="0E-3", occurred_at="2000-01-01T12:00:00.123456-12:00"),
        event(**named, metadata=None, amount="999999999999.999"),
    ]
    before = datetime.now(UTC)
    assert send_and_process(*sent).accepted == 5
    facts = {fact.event_id: fact for fact in Event.objects.all()}
    refused = sent.pop(3)
    assert facts.keys() == {one["event_id"] for one in sent}, "one is of before the promotion"
    assert refused["event_id"] not in facts
    found = [facts[one["event_id"]] for one in sent]
    assert [fact.type for fact in found] == ["VIEW", "REDEEM", "CLICK", "VIEW"]
    amounts = [None, Decimal(100), None, Decimal("999999999999.999")]
    assert [fact.amount for fact in found] == amounts
    assert [fact.metadata for fact in found] == [sent[0]["metadata"], None, {}, None]
    assert {fact.subscription_id for fact in found} == {subscription.pk}
    assert all(before <= fact.occurred_at <= fact.received_at for fact in found)
    assert violations() == {}


def test_the_largest_ids_are_looked_for(subscription):
    send_and_process(
        event(subscription_id=LARGEST), event(user_id=LARGEST, promotion_id=LARGEST, amount="0.001")
    )
    assert RetryEvent.objects.count() == 2
    assert violations() == {}


@pytest.mark.parametrize("amount", ["0E+2000000000", "0E-2000000000", "-0"])
def test_a_zero_is_a_zero(subscription, amount):
    good, odd = (event(subscription_id=subscription.pk) for _ in range(2))
    body = msgspec.json.encode({"events": [good, {**odd, "amount": amount}]})
    assert ingest.ingest_body(body, ndjson=False).accepted == 2
    processing.drain()
    assert Event.objects.get(event_id=odd["event_id"]).amount == 0
    assert Event.objects.count() == 2


def test_metadata_is_taken_out_of_a_request_that_waits():
    mine, other = UserFactory(), UserFactory()
    promotion = ActivePromotionFactory()
    theirs = SubscriptionFactory(promotion=promotion, user=other)
    pair = {"promotion_id": promotion.pk}
    send(
        event(user_id=other.pk, **pair),
        event(user_id=mine.pk, **pair, metadata={"said": "mine"}),
        event(user_id=other.pk, **pair, metadata={"said": "kept"}),
        event(subscription_id=theirs.pk, metadata={"said": "kept too"}),
    )
    send(event(user_id=mine.pk, **pair))
    assert erasure.erase_metadata(mine.pk)["waiting"] == 1
    assert erasure.erase_metadata(mine.pk)["waiting"] == 0
    bodies = "".join(IngestBatch.objects.values_list("body", flat=True))
    assert "mine" not in bodies
    processing.drain()
    said = [fact.metadata for fact in Event.objects.order_by("id")]
    assert said == [None, None, {"said": "kept"}, {"said": "kept too"}, None]
    assert erasure.count_metadata(other.pk)["events"] == 2
