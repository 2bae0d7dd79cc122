"""The audit is clean after every kind of event, and each invariant of events can fail."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from engagement import processing
from engagement.models import DeadLetterEvent, EventStat, IngestBatch, RetryEvent
from engagement.rebuild import rebuild
from engagement.tests.factories import event, send, send_and_process
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def traffic():
    """Every outcome once: counted, duplicate, conflict, retrying, dead, waiting."""
    subscription = SubscriptionFactory()
    draft = PromotionFactory()
    refused = event(user_id=subscription.user_id, promotion_id=draft.pk)
    send_and_process(
        event(subscription_id=subscription.pk, amount="5.25", type="REDEEM"),
        event(subscription_id=subscription.pk),
        event(subscription_id=9_999_999),
        refused,
    )
    send_and_process(refused)
    send_and_process({**refused, "type": "CLICK"})
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    processing.drain()
    send(event(subscription_id=subscription.pk))
    return subscription


def audit(capsys):
    code = 0
    try:
        call_command("audit", "--json")
    except CommandError as error:
        code = error.returncode
    found = json.loads(capsys.readouterr().out)
    return code, {row["invariant"]: row["violations"] for row in found["invariants"]}


def test_a_clean_audit(traffic, capsys):
    code, found = audit(capsys)
    assert code == 0
    assert {1, 2, 3, 8, 9} <= set(found)
    assert set(found.values()) == {0}


WAITS = "fact_id NOT IN (SELECT id FROM engagement_event)"


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("UPDATE engagement_ingestbatch SET processed = 2, duplicates = 0 WHERE duplicates = 1", 1),
        ("DELETE FROM engagement_retryevent", 1),
        ("DELETE FROM engagement_deadletterevent", 1),
        ("DELETE FROM engagement_ingestbatch WHERE processed > 0", 1),
        ("UPDATE engagement_deadletterevent SET state = 'replaying'", 1),
        ("UPDATE engagement_eventstat SET events = events + 1", 2),
        ("UPDATE engagement_eventstat SET amount = amount + 1", 2),
        ("UPDATE engagement_eventstat SET new_users = 0", 2),
        ("DELETE FROM engagement_promotionuser", 2),
        ("DELETE FROM engagement_event WHERE type = 'REDEEM'", 2),
        ("DELETE FROM engagement_processedevent", 2),
        (f"DELETE FROM engagement_processedevent WHERE {WAITS}", 1),
        (f"UPDATE engagement_processedevent SET fact_id = fact_id + 8192 WHERE {WAITS}", 1),
        (f"UPDATE engagement_processedevent SET fact_id = 1 WHERE NOT {WAITS}", 2),
        ("UPDATE subscriptions_subscription SET counted_types = counted_types | 2", 2),
        ("UPDATE engagement_deadletterevent SET state = 'lost'", 8),
        ("UPDATE engagement_eventstat SET type = 'BUY' WHERE type = 'VIEW'", 8),
    ],
)
def test_each_invariant_can_fail(traffic, capsys, sql, number):
    with unguarded():
        with pgtrigger.ignore(), connection.cursor() as cursor:
            cursor.execute(sql)
        code, found = audit(capsys)
    assert code == 1
    assert found[number] > 0


@contextmanager
def unguarded():
    """Without the checks that make most violations impossible."""
    guards = [
        (IngestBatch, "engagement_ingestbatch_adds_up"),
        (DeadLetterEvent, "engagement_deadletter_closed_iff_timed"),
    ]
    constraints = [
        (model, next(one for one in model._meta.constraints if one.name == name))
        for model, name in guards
    ]
    with connection.schema_editor() as editor:
        for model, constraint in constraints:
            editor.remove_constraint(model, constraint)
    try:
        yield
    finally:
        DeadLetterEvent.objects.all().delete()
        IngestBatch.objects.all().delete()
        with connection.schema_editor() as editor:
            for model, constraint in constraints:
                editor.add_constraint(model, constraint)


def test_rebuild_finds_and_mends_drift(traffic):
    assert rebuild(check_only=False).total == 0
    EventStat.objects.update(events=99, amount=1)
    with pytest.raises(CommandError):
        call_command("stats_rebuild", "--check")
    assert EventStat.objects.filter(events=99).exists()
    call_command("stats_rebuild")
    assert rebuild(check_only=True).total == 0
    assert sum(cell.events for cell in EventStat.objects.all()) == 2
