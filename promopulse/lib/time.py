"""Time as the database sees it: deadlines are judged by one clock, not by each server's."""

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from django.db import connection
from django.db.models import DateTimeField, Func

ZONES = available_timezones()


class ClockTimestamp(Func):
    """`clock_timestamp()`: moves on inside a transaction, where `now()` stands still."""

    template = "clock_timestamp()"
    output_field = DateTimeField()


def db_now() -> datetime:
    """The database's clock, aware, UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now


def rfc3339(at: datetime) -> str:
    """`2026-06-01T00:00:00Z`, the form every answer uses."""
    return at.astimezone(ZoneInfo("UTC")).isoformat().replace("+00:00", "Z")
