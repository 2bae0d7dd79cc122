"""Dead letters: replay counts each event once, discard and restore lose none."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEntry
from engagement import letters, processing
from engagement.letters import Selection, replay, states
from engagement.models import DeadLetterEvent, Event, IngestBatch
from engagement.tests.factories import event, send, send_and_process
from engagement.tests.letters import (
    activate,
    counted,
    draft_letters,
    drain_all,
    promotion_of,
    trail,
    violations,
)
from engagement.tests.letters import states as by_state
from promopulse.lib.errors import DomainError, Invalid, NotFound, PlanChanged
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
ALL = Selection()


def header(origin="api"):
    batch = IngestBatch.objects.get(origin=origin)
    return batch.processed, batch.duplicates, batch.dead


def test_a_group_from_draft_to_counted():
    sent = draft_letters(50)
    group = Selection(fingerprint=f"promotion_not_active:{promotion_of(sent)}")
    activate(sent)
    assert violations() == {}

    plan = replay(group, dry_run=True).plan
    assert (plan.count, plan.by_cause, plan.already_counted) == (
        50,
        {"promotion_not_active": 50},
        0,
    )
    assert plan.by_promotion == [(promotion_of(sent), 50)]
    assert plan.oldest_at <= plan.newest_at
    assert by_state() == {"open": 50}, "a dry run changes nothing"
    assert violations() == {}

    assert replay(group, sample=5, reason="A sample").plan.count == 5
    assert by_state() == {"open": 45, "replaying": 5}
    assert violations() == {}
    processing.drain()
    assert (by_state(), counted()) == ({"open": 45, "resolved": 5}, 5)
    assert violations() == {}

    assert replay(group, reason="The rest").plan.count == 45
    processing.drain()
    assert (by_state(), counted()) == ({"resolved": 50}, 50)
    assert header() == (50, 0, 0)
    assert violations() == {}

    nothing = replay(group)
    assert (nothing.plan.count, nothing.batches) == (0, [])
    processing.drain()
    assert counted() == 50
    assert violations() == {}
    assert trail() == [
        ("dead_letter.replay", 5, "A sample"),
        ("dead_letter.replay", 45, "The rest"),
    ]


def test_a_sample_is_the_oldest():
    draft_letters(6)
    oldest = list(DeadLetterEvent.objects.order_by("pk").values_list("pk", flat=True)[:2])
    assert replay(ALL, sample=2).plan.ids == oldest


def test_what_is_refused_again_is_open_with_a_longer_history():
    draft_letters(3)
    replay(ALL)
    processing.drain()
    assert by_state() == {"open": 3}
    for letter in DeadLetterEvent.objects.all():
        assert (letter.attempts, len(letter.history)) == (2, 2)
    assert (header(), header("replay")) == ((0, 0, 3), (0, 0, 3))
    assert violations() == {}


def test_each_filter_takes_its_own():
    sent = draft_letters(3)
    other = draft_letters(2)
    send_and_process({**event(), "type": "CLICK", **_pair(sent)})
    late = SubscriptionFactory()
    long_ago = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    send_and_process(event(subscription_id=late.pk, occurred_at=long_ago))
    DeadLetterEvent.objects.filter(promotion_id=promotion_of(other)).update(
        dead_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    ids = tuple(DeadLetterEvent.objects.order_by("pk").values_list("pk", flat=True)[:2])

    def count(**filters):
        return replay(Selection(**filters), dry_run=True).plan.count

    assert count() == 7
    assert count(cause="promotion_not_active") == 6
    assert count(fingerprint=f"promotion_not_active:{promotion_of(other)}") == 2
    assert count(promotion_id=promotion_of(sent)) == 4
    assert count(event_type="CLICK") == 1
    assert count(since=datetime(2026, 2, 1, tzinfo=UTC)) == 5
    assert count(until=datetime(2026, 2, 1, tzinfo=UTC)) == 2
    assert count(ids=ids) == 2
    assert count(ids=()) == 0
    assert count(ids=ids, event_type="CLICK") == 0


def _pair(events):
    return {name: events[0][name] for name in ("user_id", "promotion_id")}


def test_ids_in_another_state_are_left_out():
    draft_letters(3)
    first, second, third = DeadLetterEvent.objects.order_by("pk")
    letters.discard(Selection(ids=(first.pk,)), reason="No use")
    plan = replay(Selection(ids=(first.pk, second.pk, 999_999_999))).plan
    assert (plan.ids, plan.left_out) == ([second.pk], 2)
    third.refresh_from_db()
    assert third.state == "open"


def test_a_confirmed_plan_is_carried_out_or_refused():
    draft_letters(2)
    plan = replay(ALL, dry_run=True).plan
    draft_letters(1)
    for act in (replay, letters.discard):
        with pytest.raises(PlanChanged):
            act(ALL, reason="Why", expect_plan=plan.hash)
    assert by_state() == {"open": 3}
    assert trail() == []
    assert replay(ALL, expect_plan=replay(ALL, dry_run=True).plan.hash).plan.count == 3


def test_plans_of_other_actions_do_not_pass():
    draft_letters(1)
    plan = letters.discard(ALL, reason="", dry_run=True)
    with pytest.raises(PlanChanged):
        replay(ALL, expect_plan=plan.hash)


def test_a_crash_between_state_and_batch_leaves_neither(monkeypatch):
    draft_letters(2)

    def crash(*_args):
        assert by_state() == {"replaying": 2}, "the states have moved when it strikes"
        raise RuntimeError

    monkeypatch.setattr("engagement.letters.replaying._write_batches", crash)
    with pytest.raises(RuntimeError):
        replay(ALL)
    assert by_state() == {"open": 2}
    assert not IngestBatch.objects.filter(origin="replay").exists()
    assert trail() == []
    assert violations() == {}


def test_batches_hold_at_most_500_and_the_bell_rings(monkeypatch):
    rings = []
    draft_letters(1_001)
    monkeypatch.setattr("engagement.doorbell.ring", lambda: rings.append(by_state()))
    replay(ALL)
    batches = IngestBatch.objects.filter(origin="replay").order_by("pk")
    assert [batch.accepted for batch in batches] == [500, 500, 1]
    assert {batch.leased_until for batch in batches} == {None}
    assert rings == [{"replaying": 1_001}]
    processing.drain()
    assert by_state() == {"open": 1_001}


def test_a_rate_spreads_the_batches():
    sent = draft_letters(25)
    activate(sent)
    done = replay(ALL, rate=10)
    assert done.seconds == 2
    batches = list(IngestBatch.objects.filter(origin="replay").order_by("pk"))
    assert [batch.pk for batch in batches] == done.batches
    assert [batch.accepted for batch in batches] == [10, 10, 5]
    first, second, third = batches
    assert first.leased_until is None
    assert second.leased_until - first.received_at == timedelta(seconds=1)
    assert third.leased_until - first.received_at == timedelta(seconds=2)
    # Only the first is taken now, whoever looks.
    IngestBatch.objects.filter(pk__in=done.batches[1:]).update(
        leased_until=datetime.now(UTC) + timedelta(minutes=5)
    )
    assert processing.drain() == 10
    assert violations() == {}
    drain_all()
    assert (by_state(), counted()) == ({"resolved": 25}, 25)
    assert IngestBatch.objects.filter(origin="replay", attempts=1).count() == 3
    assert violations() == {}


def test_a_slow_replay_of_many_has_few_batches(monkeypatch):
    monkeypatch.setattr("engagement.letters.replaying.MOST_BATCHES_IN_STEPS", 4)
    draft_letters(20)
    done = replay(ALL, rate=1)
    assert len(done.batches) == 4
    assert done.seconds == 15
    assert replay(ALL, rate=1, dry_run=True).seconds == 0


@pytest.mark.parametrize("limits", [{"sample": 0}, {"rate": 0}, {"rate": 10_001}])
def test_senseless_limits(limits):
    draft_letters(1)
    with pytest.raises(Invalid):
        replay(ALL, **limits)
    assert by_state() == {"open": 1}


def test_an_event_counted_from_another_sending_is_not_counted_again():
    sent = draft_letters(2)
    activate(sent)
    send_and_process(sent[0])
    assert by_state() == {"open": 1, "superseded": 1}
    letters.discard(ALL, reason="Wrong")
    send_and_process(sent[1])
    letters.restore(ALL)
    assert replay(ALL, dry_run=True).plan.already_counted == 1
    replay(ALL)
    processing.drain()
    assert (by_state(), counted()) == ({"superseded": 2}, 2)
    assert violations() == {}


def test_a_plan_tells_what_was_counted_from_what_waits():
    sent = draft_letters(3)
    activate(sent)
    letters.discard(ALL, reason="Wrong")
    send_and_process(sent[0])
    send(sent[1])
    letters.restore(ALL)
    assert replay(ALL, dry_run=True).plan.already_counted == 1
    processing.drain()
    assert by_state() == {"open": 2, "superseded": 1}
    assert replay(ALL, dry_run=True).plan.already_counted == 1


def test_the_same_event_sent_again_before_its_replay_is_processed():
    """It is counted from where it came first; the replay then finds nothing to do."""
    sent = draft_letters(1)
    activate(sent)
    send(*sent)
    replay(ALL)
    processing.drain()
    assert (by_state(), counted()) == ({"superseded": 1}, 1)
    assert violations() == {}


def test_the_same_event_sent_again_while_its_replay_waits_for_its_time():
    sent = draft_letters(2)
    activate(sent)
    replay(ALL, rate=1)
    IngestBatch.objects.filter(origin="replay").update(
        leased_until=datetime.now(UTC) + timedelta(minutes=5)
    )
    send_and_process(*sent)
    assert (by_state(), counted()) == ({"superseded": 2}, 2)
    assert violations() == {}
    drain_all()
    assert (by_state(), counted()) == ({"superseded": 2}, 2)
    assert violations() == {}


def test_the_same_event_refused_again_while_its_replay_waits():
    """Another sending is a duplicate of the letter; only its replay opens it again."""
    sent = draft_letters(1)
    replay(ALL)
    IngestBatch.objects.filter(origin="replay").update(
        leased_until=datetime.now(UTC) + timedelta(minutes=5)
    )
    send_and_process(*sent)
    assert by_state() == {"replaying": 1}
    assert violations() == {}
    drain_all()
    assert by_state() == {"open": 1}
    assert DeadLetterEvent.objects.get().attempts == 2
    assert violations() == {}


def test_the_same_event_sent_again_after_its_replay_was_written():
    """Who is sent holds the id: the replay leaves it to that one."""
    sent = draft_letters(1)
    activate(sent)
    replay(ALL)
    send(*sent)
    processing.drain()
    assert (by_state(), counted()) == ({"superseded": 1}, 1)
    assert violations() == {}


def test_discard_and_restore():
    draft_letters(2)
    with pytest.raises(Invalid):
        letters.discard(ALL, reason=" ")
    assert letters.discard(ALL, reason="", dry_run=True).count == 2
    assert by_state() == {"open": 2}
    assert letters.discard(ALL, reason=" Test traffic ").count == 2
    letter = DeadLetterEvent.objects.first()
    assert (letter.state, letter.state_reason) == ("discarded", "Test traffic")
    assert letter.closed_at >= letter.dead_at
    assert letters.discard(ALL, reason="Again").count == 0
    assert violations() == {}
    assert replay(ALL).plan.count == 0

    assert letters.restore(ALL, dry_run=True).count == 2
    assert by_state() == {"discarded": 2}
    assert letters.restore(ALL, reason="They were real").count == 2
    letter.refresh_from_db()
    assert (letter.state, letter.state_reason, letter.closed_at) == ("open", "", None)
    assert letters.restore(ALL).count == 0
    assert violations() == {}
    assert trail() == [
        ("dead_letter.discard", 2, "Test traffic"),
        ("dead_letter.restore", 2, "They were real"),
    ]


def test_the_trail_says_what_was_asked_for():
    sent = draft_letters(2)
    first = DeadLetterEvent.objects.first()
    replay(Selection(promotion_id=promotion_of(sent)), sample=1, rate=5)
    letters.discard(Selection(ids=(first.pk + 1,)), reason="Why")
    many, one = AuditEntry.objects.filter(object_type="deadletterevent").order_by("pk")
    assert many.after["selection"] == {"promotion_id": promotion_of(sent)}
    assert (many.after["sample"], many.after["rate"], many.after["batches"]) == (1, 5, 1)
    assert many.after["by_cause"] == {"promotion_not_active": 1}
    assert one.object_id == first.pk + 1


@pytest.mark.parametrize(
    ("action", "state", "then"),
    [
        ("replay", "open", "replaying"),
        ("replay", "replaying", "replaying"),
        ("replay", "resolved", "resolved"),
        ("replay", "superseded", "superseded"),
        ("replay", "discarded", None),
        ("discard", "open", "discarded"),
        ("discard", "discarded", "discarded"),
        ("discard", "replaying", None),
        ("discard", "resolved", None),
        ("discard", "superseded", None),
        ("restore", "discarded", "open"),
        ("restore", "open", "open"),
        ("restore", "replaying", None),
        ("restore", "resolved", None),
    ],
)
def test_one_letter(action, state, then):
    draft_letters(1)
    letter = DeadLetterEvent.objects.get()
    closed = state not in ("open", "replaying")
    DeadLetterEvent.objects.update(state=state, closed_at=letter.dead_at if closed else None)
    if then is None:
        with pytest.raises(DomainError) as refused:
            letters.act_on_one(action, letter.pk, reason="Why")
        assert refused.value.code == "invalid_transition"
        assert DeadLetterEvent.objects.get().state == state
    else:
        assert letters.act_on_one(action, letter.pk, reason="Why").state == then
    assert bool(trail()) == (then not in (None, state))
    assert (action in states.possible(state)) == (then not in (None, state))


def test_no_letter():
    with pytest.raises(NotFound):
        letters.act_on_one("replay", 1)


def test_a_replay_is_the_event_as_it_was_sent():
    promotion = PromotionFactory(
        start_at=datetime(2026, 11, 1, tzinfo=UTC), end_at=datetime(2026, 12, 1, tzinfo=UTC)
    )
    subscription = SubscriptionFactory(promotion=promotion)
    sent = event(
        subscription_id=subscription.pk,
        type="REDEEM",
        amount="123456789.125",
        metadata={"shop": "Köln \u2028 \\u0041", "n": [1, 2.5, None, True]},
        occurred_at="2026-11-20T10:00:00.123456Z",
    )
    send_and_process(sent)
    activate([{"promotion_id": promotion.pk}])
    replay(ALL)
    processing.drain()
    fact = Event.objects.get()
    assert str(fact.amount) == "123456789.125"
    assert fact.metadata == sent["metadata"]
    assert fact.occurred_at == datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
    assert fact.subscription_id == subscription.pk
