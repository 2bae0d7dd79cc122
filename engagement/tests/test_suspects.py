"""Events that end their worker: found among those that do not, in requests and in replays."""

from datetime import UTC, datetime

import pytest

from engagement import letters, processing
from engagement.models import DeadLetterEvent, Event, IngestBatch
from engagement.processing import statement
from engagement.processing.claim import claim
from engagement.processing.work import process
from engagement.tests import poison
from engagement.tests.letters import activate, draft_letters, states, violations

pytestmark = pytest.mark.django_db(transaction=True)


class Died(BaseException):
    """The worker is gone: nobody catches this, what was not committed is rolled back."""


def _die():
    raise Died


@pytest.fixture
def replayed(monkeypatch):
    """A replay of letters of which those at some places end their worker. Gives the batch."""

    def replay(number, *killers):
        activate(draft_letters(number, poison=killers))
        monkeypatch.setitem(poison.HARMS, "kill", _die)
        monkeypatch.setattr(statement, "_run", poison.poisoned("kill"))
        (batch,) = letters.replay(letters.Selection()).batches
        return batch

    return replay


def drain_with_new_workers(most=20):
    """Work until nothing waits, with a new worker for one that died; gives how many died."""
    for died in range(most):
        IngestBatch.objects.update(leased_until=datetime(2020, 1, 1, tzinfo=UTC))
        try:
            processing.drain()
        except Died:
            continue
        return died
    raise AssertionError(f"{most} workers died")


def test_the_killer_of_a_replay_is_found_and_the_others_are_counted(replayed):
    batch = IngestBatch.objects.get(pk=replayed(10, 4))
    # Two with all of them, one with the killer alone.
    assert drain_with_new_workers() == 3
    assert states() == {"open": 1, "resolved": 9}
    letter = DeadLetterEvent.objects.get(state="open")
    assert (letter.event_id, letter.cause) == ("poison-4", "worker_lost")
    assert [attempt["cause"] for attempt in letter.history] == [
        "promotion_not_active",
        "worker_lost",
    ]
    batch.refresh_from_db()
    assert (batch.accepted, batch.processed, batch.dead) == (10, 9, 1)
    assert letters.outcome_of([batch.pk]) == letters.Outcome(9, 0, 1, 0)
    assert Event.objects.count() == 9
    assert violations() == {}


@pytest.mark.parametrize("killers", [(0,), (9,), (3, 4), range(10)], ids=str)
def test_wherever_they_are_each_costs_one_worker_more(replayed, killers):
    replayed(10, *killers)
    assert drain_with_new_workers() == 2 + len(killers)
    lost = DeadLetterEvent.objects.filter(cause="worker_lost", state="open")
    assert set(lost.values_list("event_id", flat=True)) == {f"poison-{n}" for n in killers}
    assert Event.objects.count() == 10 - len(killers)
    assert violations() == {}


def test_what_a_replay_has_done_so_far_stands(replayed):
    batch = replayed(5, 3)
    for _ in range(3):
        IngestBatch.objects.update(leased_until=datetime(2020, 1, 1, tzinfo=UTC))
        taken = claim()
        leased_until = IngestBatch.objects.get(pk=batch).leased_until
        with pytest.raises(Died):
            process(taken)
    assert Event.objects.count() == 3
    assert letters.outcome_of([batch]) == letters.Outcome(3, 0, 0, 2)
    row = IngestBatch.objects.get(pk=batch)
    assert (row.processed, row.processed_at) == (3, None)
    assert row.leased_until > leased_until, "every event is given the time of a claim"
    assert violations() == {}


def test_a_replay_that_lost_its_workers_by_chance_is_counted(replayed):
    replayed(5)
    for _ in range(2):
        claim()
        IngestBatch.objects.update(leased_until=datetime(2020, 1, 1, tzinfo=UTC))
    assert processing.drain() == 5
    assert states() == {"resolved": 5}
    assert violations() == {}
