"""Clock times of a zone: once, never, twice."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from promopulse.lib.time import ZONES, instants

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (datetime(2026, 6, 1), [datetime(2026, 5, 31, 22, tzinfo=UTC)]),  # noqa: DTZ001
        (datetime(2026, 3, 29, 1, 59), [datetime(2026, 3, 29, 0, 59, tzinfo=UTC)]),  # noqa: DTZ001
        (datetime(2026, 3, 29, 2, 0), []),  # noqa: DTZ001
        (datetime(2026, 3, 29, 3, 0), [datetime(2026, 3, 29, 1, tzinfo=UTC)]),  # noqa: DTZ001
        (
            datetime(2026, 10, 25, 2, 30),  # noqa: DTZ001
            [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)],
        ),
    ],
)
def test_instants(local, expected):
    assert instants(local, BERLIN) == expected


def test_the_ends_of_the_calendar():
    assert instants(datetime.min, ZoneInfo("Asia/Tokyo")) == []  # noqa: DTZ901
    assert instants(datetime.max, ZoneInfo("America/New_York")) == []  # noqa: DTZ901


def test_names_that_mean_something_else_elsewhere_are_no_zones():
    assert {"UTC", "Europe/Berlin", "US/Pacific"} <= ZONES
    assert not {"localtime", "Factory", "posixrules"} & ZONES


@pytest.mark.django_db
def test_the_database_takes_no_zone_for_an_abbreviation():
    """It would have no summer time, where Python has one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT abbrev, utc_offset FROM pg_timezone_abbrevs")
        short = dict(cursor.fetchall())
    seasons = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 7)]
    for name in ZONES:
        if name.upper() in short:
            offsets = {season.astimezone(ZoneInfo(name)).utcoffset() for season in seasons}
            assert offsets == {short[name.upper()]}, name
