"""What fails is told apart: the event, the moment, or something we depend on."""

import itertools
from datetime import UTC, datetime, timedelta

import psycopg.errors
import pytest
import redis
from django.db import IntegrityError, InterfaceError, OperationalError

from engagement import failures, letters, processing
from engagement.failures import Failure, classify, fingerprint
from engagement.models import (
    Consumption,
    DeadLetterEvent,
    Event,
    IngestBatch,
    RetryEvent,
)
from engagement.processing import breaker, statement
from engagement.processing.claim import claim
from engagement.processing.work import process
from engagement.tests.factories import event, send, send_and_process
from engagement.tests.poison import poisoned
from promopulse.lib import sql
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

_numbers = itertools.count()


def django_error(kind, cause):
    error = kind(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (django_error(OperationalError, psycopg.errors.DeadlockDetected()), Failure.CONTENTION),
        (django_error(OperationalError, psycopg.errors.LockNotAvailable()), Failure.CONTENTION),
        (django_error(IntegrityError, psycopg.errors.UniqueViolation()), Failure.CONTENTION),
        (django_error(OperationalError, psycopg.errors.AdminShutdown()), Failure.DEPENDENCY),
        (django_error(OperationalError, psycopg.errors.TooManyConnections()), Failure.DEPENDENCY),
        (django_error(OperationalError, psycopg.errors.DiskFull()), Failure.DEPENDENCY),
        (
            django_error(Exception, psycopg.errors.ReadOnlySqlTransaction()),
            Failure.DEPENDENCY,
        ),
        (OperationalError("server closed the connection unexpectedly"), Failure.DEPENDENCY),
        (InterfaceError("connection already closed"), Failure.DEPENDENCY),
        (redis.ConnectionError(), Failure.DEPENDENCY),
        (django_error(OperationalError, psycopg.errors.QueryCanceled()), Failure.UNKNOWN),
        (failures.Hung("too long"), Failure.UNKNOWN),
        (MemoryError(), Failure.UNKNOWN),
        (ZeroDivisionError(), Failure.UNKNOWN),
    ],
)
def test_classes(error, expected):
    assert classify(error) is expected


def test_a_fingerprint_hides_what_varies_and_what_is_personal():
    first = fingerprint(ValueError("bad row 17: 'ann@example.com' (key 9f8e7d6c5b4a)"))
    second = fingerprint(ValueError("bad row 4: 'bob@example.com' (key 1)\nDETAIL: more"))
    assert first == second == "ValueError: bad row #: ... ..."


@pytest.fixture(autouse=True)
def _fresh_breaker():
    breaker._recent.clear()


@pytest.fixture
def subscription(db):
    return SubscriptionFactory()


@pytest.fixture
def poison(monkeypatch):
    def arm(harm):
        monkeypatch.setattr(statement, "_run", poisoned(harm))

    return arm


def bad(subscription):
    return event(subscription_id=subscription.pk, event_id=f"poison-{next(_numbers)}")


def good(subscription):
    return event(subscription_id=subscription.pk)


def make_due():
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("harm", ["raise", "memory"])
def test_one_of_fifty_that_raises(subscription, poison, settings, harm):
    poison(harm)
    outcome = send_and_process(
        *(good(subscription) for _ in range(20)),
        bad(subscription),
        *(good(subscription) for _ in range(29)),
    )
    assert Event.objects.count() == 49
    batch = IngestBatch.objects.get(pk=outcome.batch_id)
    assert (batch.processed, batch.retrying) == (49, 1)
    for _ in settings.RETRY_SCHEDULE:
        make_due()
        processing.drain()
    letter = DeadLetterEvent.objects.get()
    assert letter.cause == "processing_error"
    assert letter.fingerprint.split(":")[0] in ("ZeroDivisionError", "MemoryError")
    assert len(letter.history) == letter.attempts == len(settings.RETRY_SCHEDULE) + 1
    assert Event.objects.count() == 49


def test_one_that_hangs(subscription, poison, settings, monkeypatch):
    settings.PROCESSING_TIMEOUT = timedelta(milliseconds=300)
    monkeypatch.setattr("engagement.processing.deadline.MARGIN", 0)
    poison("hang")
    send_and_process(good(subscription), bad(subscription), good(subscription))
    assert Event.objects.count() == 2
    assert RetryEvent.objects.get().fingerprint == "Hung: processing took too long"


def test_a_statement_that_takes_too_long_is_not_an_outage(subscription, settings, monkeypatch):
    run = statement._run

    def slow(text, params):
        sql.fetch_one("SELECT pg_sleep(5)", {})
        return run(text, params)

    monkeypatch.setattr(statement, "_run", slow)
    settings.PROCESSING_TIMEOUT = timedelta(milliseconds=200)
    send_and_process(good(subscription))
    assert RetryEvent.objects.get().fingerprint.startswith("OperationalError: canceling")


def test_a_few_bad_among_many_are_exactly_the_retried_ones(subscription, poison):
    poison("raise")
    events = [good(subscription) for _ in range(500)]
    wrong = [bad(subscription) for _ in range(5)]
    for place, one in zip((0, 99, 250, 251, 499), wrong, strict=True):
        events.insert(place, one)
    send_and_process(*events)
    assert Event.objects.count() == 500
    assert set(RetryEvent.objects.values_list("event_id", flat=True)) == {
        one["event_id"] for one in wrong
    }


def test_when_all_fail_alike_consumption_pauses_and_nothing_is_lost(subscription, poison, client):
    poison("raise")
    outcome = send_and_process(*(bad(subscription) for _ in range(300)))
    state = Consumption.objects.get()
    assert state.paused_at
    assert state.fingerprint.startswith("ZeroDivisionError")
    batch = IngestBatch.objects.get(pk=outcome.batch_id)
    assert (batch.attempts, batch.processed_at) == (0, None)
    assert RetryEvent.objects.count() == DeadLetterEvent.objects.count() == 0
    # Paused: nothing is touched, and readiness says so.
    assert processing.drain() == 0
    assert "paused" in client.get("/health/ready").json()["parts"]["consumption"]


def test_after_the_mending_a_probe_resumes(subscription, poison, monkeypatch):
    poison("raise")
    outcome = send_and_process(*(bad(subscription) for _ in range(60)))
    monkeypatch.undo()
    assert processing.drain() == 0
    Consumption.objects.update(probe_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert processing.drain() == 60
    assert Consumption.objects.get().paused_at is None
    assert IngestBatch.objects.get(pk=outcome.batch_id).processed == 60


def probe():
    """Drain as the one whose turn it is to try; whether consumption is still paused."""
    Consumption.objects.update(probe_at=datetime(2020, 1, 1, tzinfo=UTC))
    processing.drain()
    return breaker.is_paused()


def paused_with_retries(subscription, count):
    """Consumption is paused; nothing waits but retries of events that failed."""
    send_and_process(*(bad(subscription) for _ in range(count)))
    assert RetryEvent.objects.count() == count
    breaker.pause("RuntimeError: #")


def test_a_probe_that_finds_only_retries_learns_from_them(subscription, poison, monkeypatch):
    poison("raise")
    paused_with_retries(subscription, 10)
    assert probe(), "none is due: nothing was tried"
    make_due()
    assert probe(), "they failed again"
    assert set(RetryEvent.objects.values_list("attempts", flat=True)) == {2}
    monkeypatch.undo()
    make_due()
    assert not probe()
    assert RetryEvent.objects.count() == 0
    assert Event.objects.count() == 10


@pytest.mark.parametrize(("good_ones", "paused"), [(5, True), (30, False)])
def test_a_probe_resumes_when_most_of_its_set_goes_well(subscription, poison, good_ones, paused):
    """Ten failures are too few to stop consumption: they are enough not to start it."""
    poison("raise")
    breaker.pause("RuntimeError: #")
    send(*(bad(subscription) for _ in range(10)), *(good(subscription) for _ in range(good_ones)))
    assert probe() is paused
    assert Event.objects.count() == good_ones


def test_a_probe_that_trips_again_does_not_resume(subscription, poison):
    poison("raise")
    breaker.pause("RuntimeError: #")
    send(*(good(subscription) for _ in range(800)), *(bad(subscription) for _ in range(200)))
    assert probe()
    assert Event.objects.count() == 0, "the set waits"


def test_a_probe_resumes_when_no_event_is_left(subscription):
    breaker.pause("RuntimeError: #")
    assert not probe()


def test_refusals_do_not_pause(subscription):
    late = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    send_and_process(
        *(event(subscription_id=subscription.pk, occurred_at=late) for _ in range(300))
    )
    assert DeadLetterEvent.objects.count() == 300
    assert not breaker.is_paused()


def lose_workers(times):
    """What is left when the worker that claimed everything dies, `times` times."""
    for _ in range(times):
        claim()
        IngestBatch.objects.update(leased_until=datetime(2020, 1, 1, tzinfo=UTC))


def test_rows_that_lost_two_workers_are_tried_event_by_event(subscription):
    outcome = send(*(good(subscription) for _ in range(5)))
    lose_workers(2)
    processing.drain()
    batch = IngestBatch.objects.get(pk=outcome.batch_id)
    assert (batch.processed, batch.retrying) == (5, 0)
    assert RetryEvent.objects.count() == 0


def test_an_event_that_keeps_ending_workers_is_buried(subscription):
    outcome = send(good(subscription))
    lose_workers(2)
    process(claim())
    for _ in range(3):  # claimed as a suspect, and its worker dies
        RetryEvent.objects.update(attempts=RetryEvent.objects.get().attempts + 1)
    make_due()
    processing.drain()
    letter = DeadLetterEvent.objects.get()
    assert letter.cause == "worker_lost"
    assert IngestBatch.objects.get(pk=outcome.batch_id).dead == 1
    assert Event.objects.count() == 0


def test_a_row_that_came_back_is_taken_alone(subscription):
    first, second = send(good(subscription)), send(good(subscription))
    IngestBatch.objects.filter(pk=first.batch_id).update(attempts=1)
    taken = claim()
    assert taken.rows == [first.batch_id]
    assert claim().rows == [second.batch_id]


def test_a_replay_that_fails_again_does_not_pause_the_others(subscription, poison, settings):
    settings.RETRY_SCHEDULE = [timedelta(seconds=1)]
    poison("raise")
    for _ in range(3):  # few at a time, so that it does not pause now
        send_and_process(*(bad(subscription) for _ in range(30)))
        breaker._recent.clear()
        make_due()
        processing.drain()
        breaker._recent.clear()
    assert DeadLetterEvent.objects.filter(cause="processing_error").count() == 90
    letters.replay(letters.Selection())
    outcome = send_and_process(*(good(subscription) for _ in range(5)))
    assert IngestBatch.objects.get(pk=outcome.batch_id).processed == 5
    assert not breaker.is_paused()
    assert set(DeadLetterEvent.objects.values_list("state", "attempts")) == {("open", 3)}


def test_retries_that_fail_again_do_not_pause_the_others(subscription, poison, settings):
    """They failed before: that says nothing about what happens to the others now."""
    settings.RETRY_SCHEDULE = [timedelta(hours=1)]
    poison("raise")
    for _ in range(3):  # few at a time among as many good ones: that does not pause
        send_and_process(*(bad(subscription) for _ in range(40)))
        breaker.went_well(200)
    assert RetryEvent.objects.count() == 120
    make_due()
    processing.drain()
    assert not breaker.is_paused()
    assert DeadLetterEvent.objects.filter(cause="processing_error").count() == 120


def test_retries_that_fail_for_the_first_time_do(poison, db):
    """Their user was not known; now that they could be counted, processing is broken."""
    known = ActivePromotionFactory().pk
    users = range(900_000, 900_080)
    send_and_process(
        *(
            event(user_id=user, promotion_id=known, event_id=f"poison-{next(_numbers)}")
            for user in users
        )
    )
    assert set(RetryEvent.objects.values_list("cause", flat=True)) == {"unknown_user"}
    breaker._recent.clear()
    poison("raise")
    make_due()
    processing.drain()
    assert breaker.is_paused()
    assert set(RetryEvent.objects.values_list("attempts", flat=True)) == {1}, "costs no attempt"


def test_a_claim_that_was_taken_over_does_nothing(subscription):
    """A worker that slept past its lease wakes up: the rows are another's by now."""
    outcome = send(good(subscription))
    asleep = claim()
    IngestBatch.objects.update(leased_until=datetime(2020, 1, 1, tzinfo=UTC))
    awake = claim()
    assert awake.rows == asleep.rows == [outcome.batch_id]
    assert process(asleep) == 0
    assert IngestBatch.objects.get().processed_at is None
    assert process(awake) == 1
    assert process(asleep) == 0
