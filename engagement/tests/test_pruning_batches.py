"""Headers of processed batches and settled letters go; what they counted is kept in one row."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from engagement import processing
from engagement.models import DeadLetterEvent, IngestBatch, Pruned, RetryEvent
from engagement.pruning import batches
from engagement.tests.factories import event, send, send_and_process
from promopulse.tests.commands import run
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)

OLD = timedelta(days=100)


@pytest.fixture
def subscription():
    return SubscriptionFactory()


@pytest.fixture
def refused():
    """An event that is dead at once."""
    user, draft = UserFactory(), PromotionFactory()
    return lambda: event(user_id=user.pk, promotion_id=draft.pk)


def grow_old():
    """As if everything there is had happened long ago."""
    IngestBatch.objects.update(
        received_at=F("received_at") - OLD, processed_at=F("processed_at") - OLD
    )
    DeadLetterEvent.objects.update(dead_at=F("dead_at") - OLD, closed_at=F("closed_at") - OLD)


def close(letter, state):
    letter.state, letter.closed_at = state, datetime.now(UTC)
    letter.save()


def discard_all():
    for letter in DeadLetterEvent.objects.filter(closed_at=None):
        close(letter, "discarded")


def prune(*arguments):
    return run("prune", "--events-months", 0, "--days", 90, "--yes", *arguments)


def audit():
    done = run("audit")
    return {row["invariant"]: row["violations"] for row in done.data["invariants"]}


def test_headers_go_and_what_they_counted_stays(subscription, refused):
    dead = refused()
    send_and_process(event(subscription_id=subscription.pk), dead)
    send_and_process(dead), send_and_process({**dead, "type": "CLICK"})
    send_and_process(event(subscription_id=subscription.pk))
    discard_all()
    grow_old()
    young = send_and_process(event(subscription_id=subscription.pk))
    done = prune()
    assert (done.code, done.data["batches"], done.data["letters"]) == (0, 4, 1)
    assert [batch.pk for batch in IngestBatch.objects.all()] == [young.batch_id]
    assert not DeadLetterEvent.objects.exists()
    pruned = Pruned.objects.get()
    assert (pruned.batches, pruned.accepted, pruned.processed) == (4, 5, 2)
    assert (pruned.duplicates, pruned.conflicts, pruned.dead) == (1, 1, 1)
    assert set(audit().values()) == {0}
    assert AuditEntry.objects.get(action="batches.prune").after["batches"] == 4
    grow_old()
    prune()
    assert Pruned.objects.get().processed == 3
    assert set(audit().values()) == {0}


@pytest.mark.parametrize("state", ["open", "replaying", "discarded just now", "of a younger one"])
def test_a_batch_stays_for_one_letter_that_is_not_done(refused, state):
    outcome = send_and_process(refused(), refused())
    discard_all()
    grow_old()
    letter = DeadLetterEvent.objects.order_by("id").last()
    if state in ("open", "replaying"):
        DeadLetterEvent.objects.filter(pk=letter.pk).update(state=state, closed_at=None)
    elif state == "discarded just now":
        close(letter, "discarded")
    else:
        # The header's own word against its letters: nothing is dropped that does not add up.
        IngestBatch.objects.update(dead=F("dead") + 1, accepted=F("accepted") + 1)
    done = prune()
    assert (done.data["batches"], done.data["letters"]) == (0, 0)
    assert IngestBatch.objects.filter(pk=outcome.batch_id).exists()
    assert DeadLetterEvent.objects.count() == 2


def test_a_batch_stays_while_it_waits_or_one_of_its_events_is_retried(subscription):
    retried = send_and_process(event(subscription_id=9_999_999))
    waiting = send(event(subscription_id=subscription.pk))
    grow_old()
    assert prune().data["batches"] == 0
    assert {retried.batch_id, waiting.batch_id} == set(
        IngestBatch.objects.values_list("pk", flat=True)
    )
    assert RetryEvent.objects.exists()
    assert set(audit().values()) == {0}


@pytest.mark.parametrize("state", ["resolved", "superseded"])
def test_letters_that_are_counted_elsewhere_go_by_their_own_age(refused, state):
    promotion = PromotionFactory()
    sent = event(user_id=UserFactory().pk, promotion_id=promotion.pk)
    send_and_process(sent)
    promotion.status, promotion.activated_at = "active", promotion.start_at
    promotion.save()
    if state == "superseded":
        send_and_process(sent)
    else:
        letter = DeadLetterEvent.objects.get()
        letter.state = "replaying"
        letter.save()
        IngestBatch.objects.create(
            origin="replay",
            received_at=datetime.now(UTC),
            accepted=1,
            body=json.dumps([letter.payload]),
        )
        processing.drain()
    assert DeadLetterEvent.objects.get().state == state
    assert prune().data["letters"] == 0, "too young"
    DeadLetterEvent.objects.update(closed_at=F("closed_at") - OLD)
    done = prune()
    assert (done.data["letters"], done.data["batches"]) == (1, 0)
    assert set(audit().values()) == {0}
    grow_old()
    prune()
    assert not IngestBatch.objects.exists()
    assert (Pruned.objects.get().processed, Pruned.objects.get().batches) == (
        1,
        1 if state == "resolved" else 2,
    ), "a replay was accepted before"
    assert set(audit().values()) == {0}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE engagement_pruned SET processed = processed - 1, conflicts = conflicts + 1",
        "DELETE FROM engagement_pruned",
        "DELETE FROM engagement_ingestbatch WHERE processed > 0",
    ],
)
def test_the_audit_still_fails_afterwards(subscription, sql):
    send_and_process(event(subscription_id=subscription.pk))
    grow_old()
    prune()
    send_and_process(event(subscription_id=subscription.pk))
    assert set(audit().values()) == {0}
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount == 1
    assert audit()[1] > 0


def test_chunks_are_bounded_and_none_is_left_out(subscription, refused, monkeypatch):
    for _ in range(3):
        send_and_process(event(subscription_id=subscription.pk))
        send_and_process(*(refused() for _ in range(3)))
    discard_all()
    grow_old()
    monkeypatch.setattr(batches, "_NEXT", batches._NEXT.replace("LIMIT 1000", "LIMIT 2"))
    monkeypatch.setattr(batches, "_NEXT", batches._NEXT.replace("letters <= 5000", "letters <= 2"))
    drop, chunks = batches._drop_chunk, []

    def keep(first, last, before):
        dropped = drop(first, last, before)
        chunks.append(dropped)
        return dropped

    monkeypatch.setattr(batches, "_drop_chunk", keep)
    assert prune().data["batches"] == 6
    assert chunks == [(1, 0), (1, 3)] * 3
    assert set(audit().values()) == {0}


def test_young_headers_are_not_even_looked_at(subscription, monkeypatch):
    send_and_process(event(subscription_id=subscription.pk))
    monkeypatch.setattr(batches, "_drop_chunk", lambda *_: pytest.fail("a chunk of young headers"))
    assert prune().data["batches"] == 0


def test_a_letter_that_is_restored_meanwhile_keeps_its_batch(refused):
    send_and_process(refused())
    discard_all()
    grow_old()
    done = []

    def prune_elsewhere():
        try:
            done.append(prune())
        finally:
            connection.close()

    pruner = threading.Thread(target=prune_elsewhere)
    with transaction.atomic():
        letter = DeadLetterEvent.objects.select_for_update().get()
        letter.state, letter.closed_at = "open", None
        letter.save()
        pruner.start()
        wait_until_blocked()
    pruner.join()
    assert done[0].data["batches"] == 0
    assert DeadLetterEvent.objects.get().state == "open"
    assert set(audit().values()) == {0}


def wait_until_blocked():
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    pytest.fail("nobody waits")


def test_events_are_counted_while_batches_are_dropped(subscription, refused):
    stop, ended_well = threading.Event(), []

    def keep_pruning():
        try:
            while not stop.is_set():
                batches.prune_batches(datetime.now(UTC) + timedelta(days=1))
            ended_well.append(True)
        finally:
            connection.close()

    pruners = [threading.Thread(target=keep_pruning) for _ in range(2)]
    for pruner in pruners:
        pruner.start()
    try:
        for number in range(20):
            send(event(subscription_id=subscription.pk))
            send_and_process(refused(), event(subscription_id=9_000_000 + number))
            discard_all()
    finally:
        stop.set()
        for pruner in pruners:
            pruner.join()
    assert len(ended_well) == 2
    grow_old()
    prune()
    assert Pruned.objects.get().processed == 20
    assert IngestBatch.objects.count() == RetryEvent.objects.count() == 20
    assert set(audit().values()) == {0}
