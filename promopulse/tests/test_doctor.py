"""The doctor tells what is wrong."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.core.management import CommandError, call_command

from accounts.tests.factories import UserFactory
from engagement.models import IngestBatch
from promopulse import doctor
from promopulse.doctor import Level

pytestmark = pytest.mark.django_db


def test_parts_that_are_well():
    for check in (doctor.migrations, doctor.clock, doctor.redis_server, doctor.inbox):
        assert check().level is Level.OK


def test_the_test_database_is_not_durable():
    assert doctor.database().level is Level.WARNING


def test_missing_workers_are_an_error(capsys):
    with pytest.raises(CommandError) as failure:
        call_command("doctor", "--json")
    assert failure.value.returncode == 1
    findings = {one["part"]: one for one in json.loads(capsys.readouterr().out)}
    assert findings["workers"]["level"] == "error"
    assert findings["database"]["words"].startswith(("PostgreSQL", "fsync"))


def test_redis_away(monkeypatch):
    class Away:
        def info(self):
            raise redis.ConnectionError

    monkeypatch.setattr(doctor, "client", Away)
    assert doctor.redis_server().level is Level.ERROR


def test_an_old_waiting_batch_is_a_warning():
    IngestBatch.objects.create(received_at=datetime(2026, 1, 1, tzinfo=UTC), accepted=1, body="[]")
    assert doctor.inbox().level is Level.WARNING


def test_a_replay_that_is_not_due_yet_does_not_wait():
    due = datetime.now(UTC) + timedelta(hours=1)
    IngestBatch.objects.create(received_at=due, accepted=1, body="[]", origin="replay")
    assert doctor.inbox().words == "empty"


def test_unsafe_settings_are_named(settings):
    settings.RATE_LIMITS_ON = False
    UserFactory(email="admin@example.com", role="admin")
    words = doctor.configuration().words
    assert "RATE_LIMITS is off" in words
    assert "demo account" in words
