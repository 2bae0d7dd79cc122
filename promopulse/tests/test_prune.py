"""`manage.py prune`: what it asks, tells and leaves; what beat prunes without being asked."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import tasks
from accounts.models import IdempotencyRecord, RefreshToken
from accounts.services import sessions
from accounts.tests.factories import PoolFactory, UserFactory
from engagement import partitions
from engagement.models import IngestBatch, Pruned
from promopulse.celery import app
from promopulse.lib import sql
from promopulse.tests.commands import run

pytestmark = pytest.mark.django_db

AN_HOUR = timedelta(hours=1)


@pytest.fixture
def expired(settings):
    """Of each kind one row that is past its time and one that is not."""
    now = timezone.now()
    for key, age in (
        ("old", settings.IDEMPOTENCY_RETENTION),
        ("young", settings.IDEMPOTENCY_RETENTION - AN_HOUR),
    ):
        record = IdempotencyRecord.objects.create(
            client="user:1",
            operation="POST /",
            key=key,
            request_hmac=b"h",
            status=200,
            content_type="text/plain",
            body="x",
        )
        IdempotencyRecord.objects.filter(pk=record.pk).update(created_at=now - age)
    user = UserFactory()
    for number in range(2):
        sessions._open(user, now=now - settings.REFRESH_TOKEN_LIFETIME + number * AN_HOUR)
    for key, expires in (("old", now - AN_HOUR), ("young", now + AN_HOUR)):
        Session.objects.create(session_key=key, session_data="x", expire_date=expires)


KINDS = ("idempotency_records", "refresh_tokens", "sessions")


def left():
    return (
        list(IdempotencyRecord.objects.values_list("key", flat=True)),
        RefreshToken.objects.filter(expires_at__gt=timezone.now()).count(),
        RefreshToken.objects.count(),
        list(Session.objects.values_list("session_key", flat=True)),
    )


def test_what_has_expired_goes_and_nothing_else(expired):
    done = run("prune", "--yes")
    assert [done.data[kind] for kind in KINDS] == [1, 1, 1]
    assert left() == (["young"], 1, 1, ["young"])


@pytest.fixture
def schedule():
    app.finalize()
    return app.conf.beat_schedule


def test_beat_prunes_what_has_expired_every_day(expired, schedule):
    assert schedule["prune-expired"]["task"] == tasks.prune_expired.name
    app.tasks[tasks.prune_expired.name]()
    assert left() == (["young"], 1, 1, ["young"])


def test_a_dry_run_counts_and_changes_nothing(expired):
    old = timezone.now() - timedelta(days=91)
    IngestBatch.objects.create(received_at=old, accepted=1, processed=1, processed_at=old)
    month = partitions.month_after(old.date(), -30)
    partitions.ensure([month])
    done = run("prune", "--dry-run")
    assert done.code == 0
    assert not done.data["dropped"]
    assert [done.data[kind] for kind in (*KINDS, "batches")] == [1, 1, 1, 1]
    assert f"{month:%Y-%m}" in done.data["months"]
    assert month in partitions.existing()
    assert left()[2] == 2
    assert IngestBatch.objects.count() == 1
    assert not Pruned.objects.exists()


def test_it_wants_a_yes(expired):
    done = run("prune")
    assert done.code == 4
    assert "for ever?" in done.words
    assert left()[2] == 2


def test_zero_keeps_all(settings):
    old = timezone.now() - timedelta(days=10_000)
    IngestBatch.objects.create(received_at=old, accepted=1, processed=1, processed_at=old)
    partitions.ensure([old.date()])
    done = run("prune", "--yes", "--events-months", 0, "--days", 0)
    assert (done.data["months"], done.data["batches"]) == ([], 0)
    assert old.date().replace(day=1) in partitions.existing()


def test_the_settings_are_the_default(settings):
    settings.PRUNE_DAYS, settings.PRUNE_EVENTS_MONTHS = 5, 0
    old = timezone.now() - timedelta(days=6)
    IngestBatch.objects.create(received_at=old, accepted=1, processed=1, processed_at=old)
    assert run("prune", "--yes").data["batches"] == 1


@pytest.mark.parametrize("age", ["-1", "x", "1.5", "1201", ""])
def test_an_age_is_a_whole_number(age):
    with pytest.raises(CommandError, match="whole number"):
        call_command("prune", "--yes", f"--days={age}")


def test_deleting_goes_on_until_nothing_is_left():
    PoolFactory.create_batch(7, description="x")
    assert sql.delete_in_chunks("accounts_pool", "description = 'x'", {}, rows=2) == 7
