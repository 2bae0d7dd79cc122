"""A retry or a replay beside the same event sent again: who counts it closes the other.

Who is sent holds the id while it waits, so it is left to that one; nothing is lost if that fails.
"""

from datetime import UTC, datetime

import pgtrigger
import pytest

from engagement import processing
from engagement.letters import Selection, replay
from engagement.models import (
    DeadLetterEvent,
    Event,
    IngestBatch,
    ProcessedEvent,
    RetryEvent,
)
from engagement.processing import retries, statement
from engagement.processing.claim import claim
from engagement.processing.work import process
from engagement.tests.factories import event, send, send_and_process
from engagement.tests.interleaved import ahead
from engagement.tests.letters import (
    activate,
    counted,
    draft_letters,
    promotion_of,
    states,
    violations,
)
from promopulse.lib.time import db_now
from promotions.models import Promotion
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nothing_lately"),
]
ALL = Selection()


def held(sent):
    return ProcessedEvent.objects.filter(pk=sent["event_id"]).exists()


def headers():
    return [
        (one.processed, one.duplicates, one.retrying + one.dead)
        for one in IngestBatch.objects.order_by("pk")
    ]


def two_claims():
    """Who replays and who works on a resend: claims of both, which wait."""
    replays, requests = claim(), claim()
    if IngestBatch.objects.get(pk=replays.rows[0]).origin == "api":
        replays, requests = requests, replays
    return replays, requests


@pytest.fixture
def resent():
    """A letter whose promotion is active now: its event was sent again, then replayed."""
    sent = draft_letters(1)
    activate(sent)
    send(*sent)
    replay(ALL)
    return sent


def once():
    return counted() == Event.objects.count() == ProcessedEvent.objects.count() == 1


def test_a_replay_leaves_it_to_a_resend_that_waits(resent):
    replays, requests = two_claims()
    process(replays)
    assert (states(), counted()) == ({"open": 1}, 0)
    assert DeadLetterEvent.objects.get().attempts == 1, "it was not tried"
    assert violations() == {}
    process(requests)
    assert states() == {"superseded": 1}
    assert once()
    assert violations() == {}


def test_a_resend_that_is_refused_leaves_the_letter_open(resent):
    replays, requests = two_claims()
    process(replays)
    with pgtrigger.ignore():  # the rules are others again
        Promotion.objects.filter(pk=promotion_of(resent)).update(status="draft", activated_at=None)
    process(requests)
    assert (states(), counted()) == ({"open": 1}, 0)
    assert not held(resent[0])
    assert violations() == {}
    activate(resent)
    replay(ALL)
    processing.drain()
    assert states() == {"resolved": 1}
    assert once()
    assert violations() == {}


@pytest.mark.parametrize("first", ["resend", "replay"])
def test_a_replay_and_a_resend_at_once(resent, first):
    replays, requests = two_claims()
    one, other = (requests, replays) if first == "resend" else (replays, requests)
    with ahead(lambda: process(one)):
        process(other)
    assert states() == {"superseded": 1}
    assert once()
    assert violations() == {}


@pytest.fixture
def requests_fail(monkeypatch):
    def fail(*_given):
        raise ZeroDivisionError

    monkeypatch.setattr(statement, "process_requests", fail)


def test_a_replay_waits_for_a_resend_that_fails_and_is_counted(resent, requests_fail):
    replays, requests = two_claims()
    with ahead(lambda: process(requests)):
        process(replays)
    assert states() == {"resolved": 1}
    assert once()
    assert not RetryEvent.objects.exists()
    assert violations() == {}


@pytest.fixture
def retried():
    """An event whose subscription has appeared: it is due, and was sent again."""
    pk = SubscriptionFactory().pk + 1
    sent = event(subscription_id=pk)
    send_and_process(sent)
    SubscriptionFactory(pk=pk)
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    send(sent)
    return sent


def test_a_retry_leaves_it_to_a_resend_that_waits(retried):
    assert retries.process_due(db_now()) == 1
    retry = RetryEvent.objects.get()
    assert retry.attempts == len(retry.history) == 1, "the try was given back"
    assert retry.due_at > db_now()
    assert counted() == 0
    assert violations() == {}
    processing.drain()
    assert headers() == [(0, 1, 0), (1, 0, 0)]
    assert once()
    assert violations() == {}


def test_a_resend_that_fails_leaves_the_retry(retried, requests_fail):
    retries.process_due(db_now())
    processing.drain()
    assert headers() == [(0, 0, 1), (0, 1, 0)]
    assert not held(retried)
    assert violations() == {}
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    processing.drain()
    assert headers() == [(1, 0, 0), (0, 1, 0)]
    assert once()
    assert violations() == {}


@pytest.fixture
def when_tried(monkeypatch):
    """Set `act`: what another connection does when a retry has been taken up, before it counts."""
    run = statement.process_retries
    found = {}

    def wrapped(rows):
        with ahead(found["act"]):
            return run(rows)

    monkeypatch.setattr(statement, "process_retries", wrapped)
    return found


def test_a_retry_waits_for_a_resend_that_fails_and_is_counted(retried, when_tried, requests_fail):
    taken = claim()
    when_tried["act"] = lambda: process(taken)
    assert retries.process_due(db_now()) == 1
    assert headers() == [(1, 0, 0), (0, 1, 0)]
    assert once()
    assert violations() == {}


def test_a_resend_is_counted_while_its_retry_is_tried(retried, monkeypatch):
    """The retry found the id taken, and then itself gone."""
    taken = claim()
    settle = retries._settle

    def beside(*given):
        with ahead(lambda: process(taken)):
            settle(*given)

    monkeypatch.setattr(retries, "_settle", beside)
    assert retries.process_due(db_now()) == 1
    assert headers() == [(0, 1, 0), (1, 0, 0)]
    assert not RetryEvent.objects.exists()
    assert once()
    assert violations() == {}


def test_a_resend_is_counted_while_its_retry_fails_for_the_last_time(monkeypatch, settings):
    settings.RETRY_SCHEDULE = settings.RETRY_SCHEDULE[:1]
    pk = SubscriptionFactory().pk + 1
    sent = event(subscription_id=pk)
    send_and_process(sent)
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    send(sent)
    taken = claim()
    settle = retries._settle

    def beside(*given):
        # The subscription appears too late for the retry.
        with ahead(lambda: (SubscriptionFactory(pk=pk), process(taken))):
            settle(*given)

    monkeypatch.setattr(retries, "_settle", beside)
    assert retries.process_due(db_now()) == 1
    assert headers() == [(0, 1, 0), (1, 0, 0)]
    assert not DeadLetterEvent.objects.exists()
    assert once()
    assert violations() == {}


def test_a_retry_that_is_being_counted_makes_a_new_sending_a_duplicate():
    pk = SubscriptionFactory().pk + 1
    sent = event(subscription_id=pk)
    send_and_process(sent)
    SubscriptionFactory(pk=pk)
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    with ahead(lambda: retries.process_due(db_now())):
        outcome = send(sent)
    assert (outcome.accepted, outcome.duplicates) == (0, 1)
    assert headers() == [(1, 0, 0)]
    assert once()
    assert violations() == {}


def test_a_replay_that_is_being_counted_makes_a_new_sending_a_duplicate():
    sent = draft_letters(1)
    activate(sent)
    replay(ALL)
    taken = claim()
    with ahead(lambda: process(taken)):
        outcome = send(*sent)
    assert (outcome.accepted, outcome.duplicates) == (0, 1)
    assert states() == {"resolved": 1}
    assert once()
    assert violations() == {}


def test_a_retry_of_what_is_counted_all_the_same_is_a_duplicate():
    """Who counts an event closes its retry; were one left, it would not be counted again."""
    subscription = SubscriptionFactory()
    sent = event(subscription_id=subscription.pk)
    send_and_process(sent)
    send_and_process(event(subscription_id=9_999_999))
    left = RetryEvent.objects.get()
    left.event_id = left.payload["i"] = sent["event_id"]
    left.payload["s"] = subscription.pk
    left.due_at = datetime(2020, 1, 1, tzinfo=UTC)
    left.save()
    assert retries.process_due(db_now()) == 1
    assert not RetryEvent.objects.exists()
    assert headers() == [(1, 0, 0), (0, 1, 0)]
    assert once()
    assert violations() == {}
