"""A set is counted as one of new events; what was counted meanwhile is found all the same."""

import pytest

from engagement import ingest, processing
from engagement.models import Event, IngestBatch, ProcessedEvent
from engagement.processing import statement, work
from engagement.tests.factories import event, send, send_and_process
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def runs(monkeypatch):
    """Which statements ran; a worker that met no repeat lately."""
    monkeypatch.setattr(work, "_wary_until", 0.0)
    found = []
    for name in ("process_new", "process_inbox"):
        act = getattr(statement, name)
        monkeypatch.setattr(
            statement, name, lambda *a, act=act, name=name: (found.append(name), act(*a))[1]
        )
    return found


def send_unseen(monkeypatch, *events):
    """Ingest as one whose look at the known ids came too early."""
    with monkeypatch.context() as patched:
        store = ingest._STORE

        class Early:
            def fetch_one(self, params):
                return store.fetch_one(params | {"ids": "", "known_filtered": "true"})

        patched.setattr(ingest, "_STORE", Early())
        return send(*events)


def test_new_events_take_the_short_way(runs):
    subscription = SubscriptionFactory()
    send_and_process(*(event(subscription_id=subscription.pk) for _ in range(5)))
    assert runs == ["process_new"]
    assert Event.objects.count() == ProcessedEvent.objects.count() == 5


def test_a_repeat_within_a_set_is_no_reason_to_do_it_again(runs):
    subscription = SubscriptionFactory()
    same = event(subscription_id=subscription.pk)
    send(same)
    send(same, event(subscription_id=subscription.pk))
    processing.drain()
    assert runs == ["process_new"]
    assert list(IngestBatch.objects.order_by("pk").values_list("processed", "duplicates")) == [
        (1, 0),
        (1, 1),
    ]


def test_what_was_counted_meanwhile_is_a_duplicate_and_the_others_count(runs, monkeypatch):
    subscription = SubscriptionFactory()
    known = event(subscription_id=subscription.pk)
    changed = event(subscription_id=subscription.pk)
    send_and_process(known, changed)
    others = [event(subscription_id=subscription.pk) for _ in range(3)]
    send_unseen(monkeypatch, known, {**changed, "type": "CLICK"}, *others)
    processing.drain()
    assert runs == ["process_new", "process_new", "process_inbox"]
    batch = IngestBatch.objects.latest("pk")
    assert (batch.processed, batch.duplicates, batch.conflicts) == (3, 1, 1)
    assert Event.objects.count() == ProcessedEvent.objects.count() == 5


def test_who_met_a_repeat_is_careful_for_a_while(runs, monkeypatch):
    subscription = SubscriptionFactory()
    known = event(subscription_id=subscription.pk)
    send_and_process(known)
    send_unseen(monkeypatch, known)
    processing.drain()
    runs.clear()
    send_and_process(event(subscription_id=subscription.pk))
    assert runs == ["process_inbox"]
    runs.clear()
    monkeypatch.setattr(work, "_wary_until", 0.0)
    send_and_process(event(subscription_id=subscription.pk))
    assert runs == ["process_new"]
    assert Event.objects.count() == 3


def test_a_record_leads_to_its_fact():
    subscription = SubscriptionFactory()
    send_and_process(*(event(subscription_id=subscription.pk) for _ in range(5)))
    for record in ProcessedEvent.objects.all():
        fact = Event.objects.get(pk=record.fact_id, occurred_at=record.occurred_at)
        assert fact.event_id == record.event_id
