"""A day is the promotion's local one, also where clocks are put forward or back."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from accounts.tests.factories import UserFactory
from promopulse.lib.time import ZONES, rfc3339
from promotions.discounts import errors, services
from promotions.discounts.models import DailyUse
from promotions.discounts.rules import local_day_ends
from promotions.discounts.tests.factories import CampaignFactory
from promotions.discounts.tests.ledgers import FLAT, broken, clock_shows, grant, reserve
from promotions.discounts.triggers import _day_ends, _rfc3339

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
# An ordinary day, the day of 23 hours and the day of 25.
DAYS = [date(2026, 6, 10), date(2026, 3, 29), date(2026, 10, 25)]


def at(day, hour, minute=0, second=0, *, fold=0):
    """A moment by the clocks of Berlin."""
    local = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=BERLIN, fold=fold)
    return local.astimezone(UTC)


@pytest.fixture
def campaign():
    return CampaignFactory(
        discount=FLAT,
        budget=100,
        timezone="Europe/Berlin",
        start_at=datetime(2026, 1, 1, tzinfo=UTC),
        end_at=datetime(2027, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("day", DAYS)
def test_a_day_ends_at_midnight_of_the_promotions_clocks(campaign, day):
    user = UserFactory()
    tomorrow = day + timedelta(days=1)
    clock_shows(at(day, 0, 0, 1))
    grant(campaign, user)
    clock_shows(at(day, 23, 59, 59))
    with pytest.raises(errors.DailyLimitReached) as refused:
        grant(campaign, user)
    assert refused.value.params["resets_at"] == rfc3339(at(tomorrow, 0))
    clock_shows(at(tomorrow, 0, 0, 1))
    assert grant(campaign, user).local_day == tomorrow
    days = DailyUse.objects.order_by("day").values_list("day", "used")
    assert list(days) == [(day, 1), (tomorrow, 1)]
    assert not broken()


@pytest.mark.parametrize("day", DAYS)
def test_the_last_second_of_a_day_is_no_part_of_the_next(campaign, day):
    user = UserFactory()
    clock_shows(at(day - timedelta(days=1), 23, 59, 59))
    grant(campaign, user)
    clock_shows(at(day, 0, 0, 1))
    assert grant(campaign, user).local_day == day


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_comes_twice_is_of_one_day(campaign, fold):
    user = UserFactory()
    day = DAYS[2]
    clock_shows(at(day, 2, 30, fold=fold))
    grant(campaign, user)
    clock_shows(at(day, 2, 45, fold=1))
    with pytest.raises(errors.DailyLimitReached):
        grant(campaign, user)


@pytest.mark.parametrize("day", DAYS)
def test_a_reservation_takes_the_day_it_was_made_on(campaign, day):
    user = UserFactory()
    tomorrow = day + timedelta(days=1)
    clock_shows(at(day, 23, 59, 59))
    held = reserve(campaign, user)
    clock_shows(at(tomorrow, 0, 0, 1))
    assert services.capture(held.pk).local_day == day
    assert grant(campaign, user).local_day == tomorrow
    assert not broken()


def test_an_overdue_reservation_of_yesterday_gives_yesterday_back(campaign):
    user = UserFactory()
    clock_shows(at(DAYS[0], 23, 59, 59))
    reserve(campaign, user, ttl_seconds=1)
    clock_shows(at(DAYS[0] + timedelta(days=1), 0, 0, 1))
    grant(campaign, user)
    assert services.release_overdue() == 1
    days = DailyUse.objects.order_by("day").values_list("used", flat=True)
    assert list(days) == [0, 1]
    assert not broken()


def days_of_change():
    """Zone and noon around every change of clocks of a year, and of its first day."""
    noons = [datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(365)]
    for name in sorted(ZONES):
        yield name, noons[0]
        offsets = [noon.astimezone(ZoneInfo(name)).utcoffset() for noon in noons[::7]]
        for week in range(1, len(offsets)):
            if offsets[week - 1] != offsets[week]:
                yield from ((name, noon) for noon in noons[week * 7 - 8 : week * 7 + 1])


def test_the_database_ends_days_as_python_does_in_every_zone():
    """Also where midnight comes twice (the Azores) or not at all (Beirut)."""
    day = "(noon AT TIME ZONE zone)::date"
    ends = _day_ends(day, "zone")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT zone, noon, {_rfc3339(ends)}, ({ends}) AT TIME ZONE zone, "
            "noon AT TIME ZONE zone "
            "FROM unnest(%s::text[], %s::timestamptz[]) AS asked(zone, noon)",
            [list(column) for column in zip(*days_of_change(), strict=True)],
        )
        rows = cursor.fetchall()
    assert len(rows) > len(ZONES) + 500
    wrong = []
    for zone, noon, told, ends_local, noon_local in rows:
        ends = local_day_ends(noon, zone)
        # Where the two know another law of that zone, their calendars differ and not their rules.
        same_law = (
            noon.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == noon_local
            and ends.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == ends_local
        )
        if same_law and told != rfc3339(ends):
            wrong.append((zone, noon, told))
    assert not wrong


@pytest.mark.parametrize("microsecond", [0, 1, 500_000])
def test_the_database_writes_times_as_python_does(microsecond):
    moment = datetime(2026, 6, 1, 8, 0, 10, microsecond, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_rfc3339('%s::timestamptz')}", [moment])
        assert cursor.fetchone() == (rfc3339(moment),)
