"""An outage costs events no attempt, however long it lasts and whoever comes back first."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError

from engagement import processing
from engagement.models import IngestBatch, RetryEvent
from engagement.processing import claim, outage, retries, statement, work
from engagement.tests.factories import event, send, send_and_process
from promopulse.tests.live import wait_for
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)


def away(*_args, **_kwargs):
    raise OperationalError("server closed the connection unexpectedly")


@pytest.fixture
def database_away(monkeypatch):
    """Processing fails, and so does giving back as often as is said."""

    def go(refusals):
        monkeypatch.setattr(statement, "_run", away)
        for module, name in ((work, "release"), (retries, "_refund")):
            monkeypatch.setattr(module, name, failing(getattr(module, name), refusals))

    return go


def failing(act, times):
    left = iter(range(times))

    def act_or_fail(*args, **kwargs):
        if next(left, None) is not None:
            away()
        act(*args, **kwargs)

    return act_or_fail


def failing_after(act):
    """The first claim is done, but nobody is told."""
    broken = []

    def act_and_fail(statement, params):
        found = act(statement, params)
        if statement is claim._CLAIM and not broken:
            broken.append(found)
            away()
        return found

    return act_and_fail


@pytest.fixture(autouse=True)
def _no_outage_noticed(monkeypatch):
    monkeypatch.setattr(outage, "_noticed", False)
    monkeypatch.setattr(outage, "PAUSE_SECONDS", 0.05)


@pytest.mark.parametrize("refusals", [0, 5])
def test_rows_are_given_back(database_away, refusals):
    outcome = send(event(subscription_id=SubscriptionFactory().pk))
    database_away(refusals)
    with pytest.raises(OperationalError):
        processing.drain()

    def is_given_back():
        batch = IngestBatch.objects.get(pk=outcome.batch_id)
        return (batch.attempts, batch.lease_token, batch.leased_until) == (0, None, None)

    wait_for(is_given_back, 5 if refusals else 0, "the row is still claimed")


def test_rows_of_a_claim_in_doubt_are_given_back(monkeypatch):
    """The connection breaks after the claim was committed and before the worker hears of it."""
    outcome = send(event(subscription_id=SubscriptionFactory().pk))
    run = claim.sql.fetch_all
    with monkeypatch.context() as patched:
        patched.setattr(claim.sql, "fetch_all", failing_after(run))
        with pytest.raises(OperationalError):
            processing.drain()
    batch = IngestBatch.objects.get(pk=outcome.batch_id)
    assert (batch.attempts, batch.lease_token) == (0, None)


@pytest.mark.parametrize("refusals", [0, 5])
def test_retries_are_given_back_and_due_at_once(database_away, refusals):
    send_and_process(event(user_id=987_654, promotion_id=ActivePromotionFactory().pk))
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    database_away(refusals)
    with pytest.raises(OperationalError):
        processing.drain()

    def is_given_back():
        retry = RetryEvent.objects.get()
        return retry.attempts == len(retry.history) == 1 and retry.due_at <= datetime.now(UTC)

    wait_for(is_given_back, 5 if refusals else 0, "the try was paid for")


def test_who_comes_back_first_leaves_the_others_a_lead(monkeypatch):
    slept = []
    monkeypatch.setattr(outage.time, "sleep", slept.append)
    with pytest.raises(OperationalError), outage.heeded():
        away()
    with monkeypatch.context() as patched:
        patched.setattr(outage.sql, "fetch_all", away)
        with pytest.raises(OperationalError), outage.heeded():
            pytest.fail("the database is still away")
    assert slept == []
    with outage.heeded():
        assert slept == [outage.LEAD_SECONDS]
    with outage.heeded():
        assert len(slept) == 1, "once"


def test_a_database_that_is_read_only_is_still_away():
    outage._noticed = True
    outage.sql.fetch_all("SELECT set_config('default_transaction_read_only', 'on', false)", {})
    try:
        with pytest.raises(Exception, match="read-only"), outage.heeded():
            pytest.fail("nothing can be claimed")
    finally:
        outage.sql.fetch_all("SELECT set_config('default_transaction_read_only', 'off', false)", {})
    assert outage._noticed


def test_other_failures_are_no_outage():
    with pytest.raises(ZeroDivisionError), outage.heeded():
        raise ZeroDivisionError
    assert not outage._noticed
    assert claim.claim() is None
