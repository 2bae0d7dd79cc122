"""Ids are taken with the inbox row: who sends first is decided there, and told at once."""

import msgspec
import pytest
from django.db import DatabaseError, connection, transaction

from accounts.tests.threads import together
from engagement import ingest, processing, rebuild, window
from engagement.letters import Selection, replay
from engagement.models import FACT_IDS_A_BATCH, Event, IngestBatch, ProcessedEvent, RetryEvent
from engagement.processing.claim import claim
from engagement.tests.factories import event, send, send_and_process
from engagement.tests.interleaved import ahead, elsewhere
from engagement.tests.letters import draft_letters, violations
from engagement.window import Window
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/events/ingest"


@pytest.fixture(autouse=True)
def trusting(monkeypatch):
    """A process that met no repeat lately."""
    monkeypatch.setattr(ingest, "_wary_until", 0.0)


@pytest.fixture
def subscription():
    return SubscriptionFactory()


def many(subscription, count):
    return [event(subscription_id=subscription.pk) for _ in range(count)]


def held():
    """Ids that are taken, each with the row that holds it."""
    found = ProcessedEvent.objects.values_list("event_id", "fact_id")
    return {event_id: fact_id // FACT_IDS_A_BATCH for event_id, fact_id in found}


@pytest.mark.parametrize("wary", [False, True])
def test_one_that_waits_is_told_apart_at_once(as_service, subscription, monkeypatch, wary):
    client = as_service("events:write")
    (sent,) = many(subscription, 1)
    assert client.post(URL, sent).status_code == 202
    monkeypatch.setattr(ingest, "_wary_until", float("inf") if wary else 0.0)
    again = client.post(URL, sent)
    assert (again.status_code, again.json()) == (200, {"status": "duplicate"})
    other = client.post(URL, {**sent, "type": "CLICK"})
    assert (other.status_code, other.json()["code"]) == (409, "event_conflict")
    assert IngestBatch.objects.get().accepted == 1
    processing.drain()
    assert Event.objects.get().type == "VIEW"
    assert violations() == {}


@pytest.mark.parametrize("wary", [False, True])
def test_many_that_wait_are_told_apart_at_once(as_service, subscription, monkeypatch, wary):
    client = as_service("events:write")
    first, second, third = many(subscription, 3)
    client.post(URL, {"events": [first, second]})
    monkeypatch.setattr(ingest, "_wary_until", float("inf") if wary else 0.0)
    answer = client.post(URL, {"events": [first, third, {**second, "type": "CLICK"}]}).json()
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert [(row["index"], row["code"]) for row in answer["rejected"]] == [(2, "event_conflict")]
    rows = list(IngestBatch.objects.order_by("pk"))
    assert [row.accepted for row in rows] == [2, 1]
    assert held() == {
        first["event_id"]: rows[0].pk,
        second["event_id"]: rows[0].pk,
        third["event_id"]: rows[1].pk,
    }
    nothing = client.post(URL, {"events": [first, second, third]})
    assert (nothing.status_code, nothing.json()["duplicates"]) == (200, 3)
    processing.drain()
    assert Event.objects.count() == 3
    assert violations() == {}


def test_who_met_a_repeat_looks_first_for_a_while(subscription, monkeypatch):
    did = []

    def watched(name):
        act = getattr(ingest, name)
        return lambda *given: (did.append(name), act(*given))[1]

    for name in ("_look", "_store"):
        monkeypatch.setattr(ingest, name, watched(name))
    first, second, *new = many(subscription, 5)
    send(first, second)
    assert did == ["_store"]
    did.clear()
    send(first, new[0])
    assert did == ["_store", "_look", "_store"], "in vain, then what is left"
    did.clear()
    send(second, new[1])
    assert did == ["_look", "_store"], "the rest is stored without a second look"
    did.clear()
    send(new[2])
    assert did == ["_store"], "one alone is told at no cost"
    monkeypatch.setattr(ingest, "_wary_until", 0.0)
    did.clear()
    send(*many(subscription, 2))
    assert did == ["_store"]


def test_overlapping_requests_at_once_take_each_id_once(subscription, settings, monkeypatch):
    """In opposite order, many times; room in the window is taken by what is new only."""
    monkeypatch.setattr(ingest, "WARY_SECONDS", 0.0)
    settings.INGEST_WINDOW_LIMIT = 1_000

    def sender(events):
        body = msgspec.json.encode({"events": events})
        return lambda: ingest.ingest_body(body, ndjson=False, window=Window())

    for _ in range(25):
        window.forget_all()
        events = many(subscription, 200)
        outcomes = together(sender(events[:150]), sender(events[:49:-1]), sender(events[20:170]))
        assert sum(one.accepted for one in outcomes) == 200
        assert sum(one.duplicates for one in outcomes) == 250
        assert [one.rejected for one in outcomes] == [[], [], []]
        assert room(subscription) == 800
    taken = held()
    assert len(taken) == 25 * 200
    assert set(taken.values()) == set(IngestBatch.objects.values_list("pk", flat=True))
    while processing.drain():
        pass
    assert Event.objects.count() == 25 * 200
    assert violations() == {}


def room(subscription):
    """How many events of this sender would be let in now."""
    _, *answer = window._run("take", 1_000, 60_000, [subscription.pk], [2_000])
    return answer[1]


@pytest.mark.parametrize("stored", [True, False])
def test_the_second_waits_for_what_becomes_of_the_first(subscription, stored):
    (sent,) = many(subscription, 1)
    with ahead(lambda: send(sent), commits=stored):
        outcome = send(sent, *many(subscription, 1))
    assert (outcome.accepted, outcome.duplicates) == ((1, 1) if stored else (2, 0))
    processing.drain()
    assert Event.objects.count() == 2
    assert violations() == {}


def test_a_repeat_undoes_the_whole_request(subscription, settings, monkeypatch):
    """No row without the ids of its events, no id without a row, no room in the window."""

    def dies(*_given):
        raise ConnectionAbortedError

    settings.INGEST_WINDOW_LIMIT = 1_000
    window.forget_all()
    known, *new = many(subscription, 4)
    first = send(known)
    body = msgspec.json.encode({"events": [*new, known]})
    with monkeypatch.context() as patched:
        patched.setattr(ingest, "_look", dies)
        with pytest.raises(ConnectionAbortedError):
            ingest.ingest_body(body, ndjson=False, window=Window())
    assert held() == {known["event_id"]: first.batch_id}
    assert IngestBatch.objects.get().pk == first.batch_id
    assert room(subscription) == 1_000
    assert send(*new).accepted == 3
    assert violations() == {}


def test_who_may_not_send_takes_no_ids(subscription):
    body = msgspec.json.encode({"events": many(subscription, 2)})
    with pytest.raises(ingest.CallerGone):
        ingest.ingest_body(body, ndjson=False, caller=ingest.Caller(user_id=9_999_999))
    assert not IngestBatch.objects.exists()
    assert held() == {}


def test_a_repeat_leaves_the_transaction_it_is_in_alone(subscription):
    (sent,) = many(subscription, 1)
    send(sent)
    with transaction.atomic():
        outcome = send(sent, *many(subscription, 1))
        assert IngestBatch.objects.count() == 2
    assert (outcome.accepted, outcome.duplicates) == (1, 1)


def refuse(text, *params):
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(text, params)


DELETE = "DELETE FROM engagement_processedevent"


def test_an_id_stays_once_its_row_is_processed(subscription):
    send_and_process(*many(subscription, 1))
    refuse(DELETE)
    refuse("TRUNCATE engagement_processedevent")
    send(*many(subscription, 1))
    refuse(DELETE)  # one of them
    refuse("UPDATE engagement_processedevent SET digest = 1")
    waits = ProcessedEvent.objects.latest("fact_id")
    refuse("UPDATE engagement_processedevent SET fact_id = 1 WHERE event_id = %s", waits.pk)
    assert len(held()) == 2
    waits.delete()
    assert len(held()) == 1, "that of a row that waits may be set free"


def test_an_id_that_was_taken_when_it_was_counted_stays_too():
    later = SubscriptionFactory().pk + 1
    send_and_process(event(subscription_id=later))
    assert held() == {}
    SubscriptionFactory(pk=later)
    RetryEvent.objects.update(due_at="2020-01-01T00:00Z")
    processing.drain()
    assert Event.objects.get().pk == ProcessedEvent.objects.get().fact_id
    refuse(DELETE)


def test_an_id_leads_to_its_fact(subscription):
    send_and_process(*many(subscription, 5))
    send_and_process(*many(subscription, 5))
    facts = dict(Event.objects.values_list("event_id", "pk"))
    assert len(facts) == 10
    assert dict(ProcessedEvent.objects.values_list("event_id", "fact_id")) == facts


def test_a_claim_is_of_requests_or_of_replays(subscription):
    draft_letters(6)
    origins = {}
    for number in range(6):
        if number % 3 == 0:
            (batch_id,) = replay(Selection(), sample=3).batches
        else:
            batch_id = send(*many(subscription, 1)).batch_id
        origins[batch_id] = "replay" if number % 3 == 0 else "api"
    assert list(origins) == sorted(origins)
    claims = []
    while taken := claim():
        claims.append([origins[row] for row in taken.rows])
    assert claims == [["replay"] * 2, ["api"] * 4]


def test_a_rebuild_does_not_hold_up_who_sends(subscription):
    (known,) = many(subscription, 1)
    send_and_process(known)
    with elsewhere(lambda: rebuild.rebuild(check_only=False)), connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '2s'")
        try:
            outcome = send(known, *many(subscription, 3))
        finally:
            cursor.execute("RESET lock_timeout")
    assert (outcome.accepted, outcome.duplicates) == (3, 1)
    processing.drain()
    assert Event.objects.count() == 4
