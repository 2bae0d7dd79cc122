"""Replays beside each other, beside discards, and beside the same events sent again."""

from functools import partial

import pytest

from accounts.tests.threads import at_once
from engagement import letters, processing
from engagement.letters import Selection, replay, replaying
from engagement.letters.replaying import ReplayRunning
from engagement.models import DeadLetterEvent, IngestBatch
from engagement.tests.factories import send
from engagement.tests.interleaved import elsewhere
from engagement.tests.letters import (
    activate,
    counted,
    draft_letters,
    drain_all,
    promotion_of,
    states,
    violations,
)

pytestmark = pytest.mark.django_db(transaction=True)
ALL = Selection()


def moved(selection=ALL, **options):
    """How many letters a replay moved; 0 for one that was refused."""
    try:
        return replay(selection, **options).plan.count
    except ReplayRunning:
        return 0


def test_two_replays_at_once_have_one_effect():
    sent = draft_letters(200)
    activate(sent)
    assert sum(at_once(moved, times=4)) == 200
    processing.drain()
    assert (states(), counted()) == ({"resolved": 200}, 200)
    assert violations() == {}


def test_even_without_the_lock_of_the_group(monkeypatch):
    """The state of each letter decides; the lock only tells the second one so."""
    monkeypatch.setattr(replaying, "_hold_groups", lambda ids: None)
    sent = draft_letters(200)
    activate(sent)
    assert sum(at_once(moved, partial(moved, sample=150), times=2)) == 200
    processing.drain()
    assert (states(), counted()) == ({"resolved": 200}, 200)
    batches = IngestBatch.objects.filter(origin="replay")
    assert sum(batch.accepted for batch in batches) == 200
    assert violations() == {}


def group_of(events):
    return Selection(fingerprint=f"promotion_not_active:{promotion_of(events)}")


def test_a_group_that_is_being_replayed_is_refused_at_once():
    first, second = draft_letters(2), draft_letters(2)
    with elsewhere(lambda: replay(group_of(first), sample=1)):
        for selection in (group_of(first), ALL):
            with pytest.raises(ReplayRunning) as refused:
                replay(selection)
            assert (refused.value.code, refused.value.status) == ("version_conflict", 409)
        assert replay(group_of(second)).plan.count == 2
    assert replay(group_of(first)).plan.count == 1
    assert violations() == {}


def test_a_replay_of_very_many_groups_is_alone(monkeypatch):
    monkeypatch.setattr(replaying, "MOST_GROUPS_APART", 1)
    first, _second = draft_letters(1), draft_letters(1)
    with elsewhere(lambda: replay(group_of(first))), pytest.raises(ReplayRunning):
        replay(ALL)
    draft_letters(1)
    with elsewhere(lambda: replay(ALL)), pytest.raises(ReplayRunning):
        replay(group_of(draft_letters(1)))
    assert violations() == {}


def test_a_letter_is_replayed_or_discarded_never_both():
    draft_letters(100)
    discard = partial(letters.discard, ALL, reason="Why")
    replayed, discarded = at_once(moved, lambda: discard().count)
    assert {replayed, discarded} == {0, 100}
    found = states()
    assert found in ({"replaying": 100}, {"discarded": 100})
    drain_all()
    assert violations() == {}


def test_the_same_events_sent_again_while_they_are_replayed():
    """Replays, the same events from their sender, and workers, all at once."""
    sent = draft_letters(60)
    activate(sent)

    def sender():
        send(*sent[:40])
        processing.drain()

    def operator():
        found = sum(moved(sample=20) for _ in range(4))
        processing.drain()
        return found

    at_once(sender, operator, times=2)
    while replay(ALL).plan.count:
        drain_all()
    drain_all()
    assert counted() == 60
    assert set(states()) <= {"resolved", "superseded"}
    assert DeadLetterEvent.objects.count() == 60
    assert violations() == {}
