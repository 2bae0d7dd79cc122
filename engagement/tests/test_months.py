"""Partitions of the facts: made ahead by migrations and by the beat, missed by the doctor."""

from datetime import UTC, date, datetime, timedelta

import pytest
from celery.beat import Service
from django.core.management import call_command
from django.db import connection

from engagement import partitions, tasks
from engagement.models import Event
from promopulse import doctor
from promopulse.celery import app, do_daily_work_at_start
from promopulse.doctor import Level

pytestmark = pytest.mark.django_db


def this_month_and_the_next_two():
    today = datetime.now(UTC).date()
    return [partitions.month_after(today, months) for months in range(3)]


def drop(*months):
    with connection.cursor() as cursor:
        for month in months:
            cursor.execute(f"DROP TABLE {partitions.partition_name(month)}")


def ahead():
    return [month for month in this_month_and_the_next_two() if month in partitions.existing()]


def test_migrations_make_them():
    assert ahead() == this_month_and_the_next_two()
    drop(*ahead())
    call_command("migrate", verbosity=0)
    assert ahead() == this_month_and_the_next_two()


def test_the_task_makes_what_is_missing_and_leaves_the_rest():
    this, following, last = ahead()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)::oid", [partitions.partition_name(this)])
        before = cursor.fetchone()
    drop(following, last)
    tasks.make_months()
    tasks.make_months()
    assert ahead() == [this, following, last]
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)::oid", [partitions.partition_name(this)])
        assert cursor.fetchone() == before


def test_the_last_moment_of_a_month_is_in_it():
    partitions.ensure([date(2031, 12, 31)])
    at = datetime(2032, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)
    Event.objects.create(
        id=1, event_id="e", type="VIEW", promotion_id=1, user_id=1, occurred_at=at, received_at=at
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM engagement_event_2031_12")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("day", "months", "first"),
    [
        (date(2026, 11, 21), 0, date(2026, 11, 1)),
        (date(2026, 11, 21), 1, date(2026, 12, 1)),
        (date(2026, 11, 30), 2, date(2027, 1, 1)),
        (date(2026, 1, 31), -1, date(2025, 12, 1)),
        (date(2026, 3, 31), -27, date(2023, 12, 1)),
    ],
)
def test_months_are_counted_over_years(day, months, first):
    assert partitions.month_after(day, months) == first


def test_the_doctor_misses_the_next_month():
    assert doctor.months().level is Level.OK
    drop(this_month_and_the_next_two()[1])
    assert doctor.months().level is Level.WARNING


def test_beat_does_its_daily_work_when_it_starts(tmp_path):
    app.finalize()
    service = Service(app, schedule_filename=str(tmp_path / "schedule"))
    entries = service.scheduler.schedule
    assert not entries["make-months"].is_due().is_due
    do_daily_work_at_start(sender=service)
    assert entries["make-months"].is_due().is_due
    assert entries["make-months"].task in app.tasks
    service.scheduler.close()
