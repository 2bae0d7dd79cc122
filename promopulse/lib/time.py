"""Time as the database sees it: deadlines are judged by one clock, not by each server's."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from django.db import connection
from django.db.models import DateTimeField, Func

# Two of the names are no zones: what a machine calls local differs from the next one's. Four are
# abbreviations to PostgreSQL: it would leave their clocks at winter time all year.
ZONES = available_timezones() - {"Factory", "localtime", "CET", "EET", "MET", "WET"}


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


def instants(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """When the clocks of a zone show this naive time: once as a rule, never in the hour that is
    skipped in spring, twice in the hour that is repeated in autumn."""
    found = set()
    for fold in (0, 1):
        try:
            instant = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            shown = instant.astimezone(zone).replace(tzinfo=None)
        except OverflowError:  # at the ends of the calendar
            continue
        if shown == local:
            found.add(instant)
    return sorted(found)


def readings(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """What a naive time of a skipped or repeated hour could mean, with its offset: the same time
    twice, or the times before and after the gap."""
    meant = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return [instant.astimezone(zone) for instant in sorted(meant)]
