"""Old months of facts go; their counts stay, and the audit and a rebuild start after them."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts import audit as trail
from accounts.models import AuditEntry
from engagement import partitions
from engagement.models import Event, EventStat, ProcessedEvent, PromotionUser, Pruned
from engagement.pruning import months
from engagement.rebuild import rebuild
from engagement.stats import read_stats
from engagement.tests.factories import event, send, send_and_process
from promopulse.management.commands import audit as audit_command
from promopulse.tests.commands import run
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)

KEPT = 24
MARK = partitions.start_of(partitions.month_after(datetime.now(UTC).date(), -KEPT))


def ago(months_before_the_mark, day=15):
    first = partitions.month_after(MARK.date(), -months_before_the_mark)
    return partitions.start_of(first) + timedelta(days=day, hours=7)


@pytest.fixture
def promotion():
    return ActivePromotionFactory(
        start_at=ago(6), end_at=datetime.now(UTC) + timedelta(days=30), activated_at=ago(6)
    )


@pytest.fixture
def traffic(promotion):
    """Two people, months before and after the mark; one of them is seen on both sides."""
    ann, bob = SubscriptionFactory.create_batch(2, promotion=promotion)
    times = [ago(3), ago(2), ago(1, day=20), MARK - timedelta(microseconds=1), MARK, ago(-1)]
    send_and_process(
        *(
            event(subscription_id=ann.pk, occurred_at=at.isoformat(), amount="1.50", type="REDEEM")
            for at in times
        ),
        event(subscription_id=ann.pk, occurred_at=ago(2).isoformat()),
        event(subscription_id=bob.pk, occurred_at=ago(-1).isoformat()),
    )
    return ann


def audit():
    done = run("audit")
    return {row["invariant"]: row["violations"] for row in done.data["invariants"]}


def prune(*arguments):
    return run("prune", "--events-months", KEPT, "--days", 0, "--yes", *arguments)


def old_months():
    return [month for month in partitions.existing() if month < MARK.date()]


def counts(promotion):
    return read_stats(promotion.pk).totals, read_stats(promotion.pk, interval="hour").series


def test_the_facts_go_and_the_counts_stay(traffic, promotion):
    before, ids = counts(promotion), set(ProcessedEvent.objects.values_list("pk", flat=True))
    assert Event.objects.count() == 8
    done = prune()
    assert (done.code, done.data["events"]) == (0, 5)
    assert set(Event.objects.values_list("occurred_at", flat=True)) == {MARK, ago(-1)}
    assert old_months() == []
    assert counts(promotion) == before
    assert set(ProcessedEvent.objects.values_list("pk", flat=True)) == ids
    assert Pruned.objects.get().events_pruned_before == MARK
    assert set(audit().values()) == {0}


def test_each_month_is_told_in_the_trail(traffic):
    prune()
    told = AuditEntry.objects.filter(action="events.prune").order_by("id")
    assert [entry.after["month"] for entry in told][-3:] == [
        f"{ago(back):%Y-%m}" for back in (3, 2, 1)
    ]
    assert [entry.after["events"] for entry in told][-3:] == [1, 2, 2]


def test_a_repeat_of_a_pruned_event_is_still_a_duplicate(traffic):
    sent = event(subscription_id=traffic.pk, occurred_at=ago(2).isoformat())
    send_and_process(sent)
    prune()
    outcome = send(sent)
    assert (outcome.accepted, outcome.duplicates) == (0, 1)


def test_a_rebuild_keeps_what_was_pruned_and_mends_the_rest(traffic, promotion):
    before = counts(promotion)
    prune()
    assert rebuild(check_only=True).total == 0
    EventStat.objects.filter(hour__gte=MARK).update(events=99, new_users=0)
    PromotionUser.objects.filter(first_hour__gte=MARK).delete()
    assert rebuild(check_only=False).total > 0
    assert counts(promotion) == before
    assert set(audit().values()) == {0}


def test_what_comes_late_is_counted_and_goes_with_the_next_pruning(traffic, promotion):
    prune()
    new = SubscriptionFactory(promotion=promotion)
    late = [
        event(subscription_id=who.pk, occurred_at=ago(2).isoformat(), type=kind)
        for who in (traffic, new)
        for kind in ("VIEW", "CLICK")
    ]
    send_and_process(*late)
    before = counts(promotion)
    assert Event.objects.filter(occurred_at__lt=MARK).count() == 4
    assert set(audit().values()) == {0}
    assert rebuild(check_only=False).total == 0
    done = prune()
    assert (done.code, done.data["events"]) == (0, 4)
    assert counts(promotion) == before
    assert Pruned.objects.get().events_pruned_before == MARK, "it never moves back"
    assert set(audit().values()) == {0}


BEFORE, AFTER = f"< '{MARK.isoformat()}'", f">= '{MARK.isoformat()}'"
KEPT_FACTS = "SELECT id FROM engagement_event"


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        (f"UPDATE engagement_eventstat SET events = events + 1 WHERE hour {BEFORE}", 2),
        (f"UPDATE engagement_eventstat SET events = events + 1 WHERE hour {AFTER}", 2),
        (f"DELETE FROM engagement_eventstat WHERE hour {BEFORE}", 2),
        (f"UPDATE engagement_eventstat SET new_users = 0 WHERE hour {BEFORE}", 2),
        (f"UPDATE engagement_eventstat SET amount = 0 WHERE hour {AFTER}", 2),
        (f"DELETE FROM engagement_promotionuser WHERE first_hour {BEFORE}", 2),
        (f"DELETE FROM engagement_promotionuser WHERE first_hour {AFTER}", 2),
        (f"DELETE FROM engagement_processedevent WHERE fact_id NOT IN ({KEPT_FACTS})", 2),
        (f"DELETE FROM engagement_processedevent WHERE fact_id IN ({KEPT_FACTS})", 2),
        (f"DELETE FROM engagement_event WHERE occurred_at {AFTER}", 2),
        ("UPDATE engagement_pruned SET events_pruned_before = NULL", 2),
        ("UPDATE engagement_pruned SET processed = 1, accepted = 1", 1),
    ],
)
def test_the_audit_still_fails_on_either_side_of_the_mark(traffic, sql, number):
    prune()
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount > 0
    assert audit()[number] > 0


def test_a_month_whose_counts_are_wrong_is_not_dropped(traffic):
    EventStat.objects.filter(hour__gte=ago(2, 0), hour__lt=ago(1, 0)).update(amount=17)
    done = prune()
    assert done.code == 3
    assert "stats_rebuild" in done.words
    assert done.data["months"][-1] == f"{ago(3):%Y-%m}", "those before it are gone"
    assert ago(2).date().replace(day=1) in partitions.existing()
    assert Pruned.objects.get().events_pruned_before == ago(2, 0).replace(hour=0)
    assert audit()[2] > 0, "the fault can still be seen"
    call_command("stats_rebuild")
    assert prune().code == 0
    assert set(audit().values()) == {0}


def test_a_crash_in_the_middle_leaves_all_or_nothing(traffic, monkeypatch):
    def crash(*_args, **_kwargs):
        raise RuntimeError("power cut")

    found = old_months()
    with monkeypatch.context() as patch:
        patch.setattr(trail, "record", crash)
        with pytest.raises(RuntimeError):
            prune()
    assert old_months() == found
    assert not Pruned.objects.exists()
    assert set(audit().values()) == {0}
    assert prune().code == 0


def elsewhere(act):
    """Run it on a connection of its own."""
    results = []

    def work():
        try:
            results.append(act())
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    return results[0]


def test_who_reads_the_events_is_not_disturbed(traffic, monkeypatch):
    monkeypatch.setattr(months, "TRIES", 2)
    monkeypatch.setattr(months, "PAUSE_SECONDS", 0)
    with transaction.atomic():
        assert Event.objects.count() == 8
        done = elsewhere(prune)
        assert Event.objects.count() == 8
    assert (done.code, done.data["months"]) == (3, [])
    assert "Run this again" in done.words
    assert prune().code == 0


def test_no_month_goes_during_an_audit(traffic, monkeypatch, capsys):
    """Dropping a table is seen at once, also by an older snapshot."""
    monkeypatch.setattr(months, "TRIES", 2)
    monkeypatch.setattr(months, "PAUSE_SECONDS", 0)
    count, codes = audit_command.violations, []

    def count_while_pruning(invariant):
        if not codes:
            codes.append(elsewhere(prune).code)
        return count(invariant)

    monkeypatch.setattr(audit_command, "violations", count_while_pruning)
    try:
        call_command("audit", "--json")
    except CommandError:
        found = json.loads(capsys.readouterr().out)
        pytest.fail(f"the audit was disturbed: {found}")
    assert codes == [3]


def test_events_are_counted_while_months_are_dropped(promotion):
    ann = SubscriptionFactory(promotion=promotion)
    stop = threading.Event()

    def keep_pruning():
        while not stop.is_set():
            assert prune().code == 0
        return True

    pruner = threading.Thread(target=lambda: elsewhere(keep_pruning))
    pruner.start()
    try:
        for back in (1, 2, 3) * 8:
            send_and_process(
                event(subscription_id=ann.pk, occurred_at=ago(back).isoformat()),
                event(subscription_id=ann.pk),
            )
    finally:
        stop.set()
        pruner.join()
    assert sum(cell.events for cell in EventStat.objects.all()) == 48
    assert Event.objects.filter(occurred_at__gte=MARK).count() == 24
    assert set(audit().values()) == {0}
