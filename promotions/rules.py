"""What a promotion's values may be. Pure: no queries, raises Invalid naming the field."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from promopulse.lib import money, time
from promopulse.lib.errors import Invalid, InvalidTimeRange
from promopulse.lib.fields import MAX_ID, MetadataField
from promopulse.lib.strict_json import Unreadable, check_storable

MAX_NAME = 255
MAX_DESCRIPTION = 10_000
MAX_SOURCE_ID = 128
MAX_REASON = 500
# Named one by one; a larger audience is a pool.
MAX_TARGETS = 1_000

# Every zone can show these without leaving the calendar.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def text(field: str, value: Any, most: int) -> str:
    """A trimmed text that the database can hold."""
    if not isinstance(value, str):
        raise Invalid(field, "A text is expected.")
    _must_be_storable(field, value)
    trimmed = value.strip()
    if len(trimmed) > most:
        raise Invalid(field, f"At most {most} characters.", "max_length")
    return trimmed


def _name(value: Any) -> str:
    name = text("name", value, MAX_NAME)
    if not name:
        raise Invalid("name", "A name is needed.", "blank")
    return name


def _source_id(value: Any) -> str | None:
    if value is None:
        return None
    return text("source_id", value, MAX_SOURCE_ID) or None


def _time(field: str) -> Callable[[Any], datetime]:
    def check(value: Any) -> datetime:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise Invalid(field, "A time with its offset is expected.", "naive_time")
        if not EARLIEST <= value < LATEST:
            raise _out_of_range(field)
        return value.astimezone(UTC)

    return check


def _out_of_range(field: str) -> Invalid:
    return Invalid(field, "A time from 1970 to 9998 is expected.", "out_of_range")


def placed(field: str, at: datetime, timezone: str) -> datetime:
    """When the clocks of a zone show this naive time; a time with its offset stays what it is.

    Raises Invalid, with the choices, for a time that they skip or show twice.
    """
    if at.tzinfo is not None:
        return at
    if not EARLIEST.year <= at.year < LATEST.year:
        raise _out_of_range(field)
    zone = ZoneInfo(timezone)
    found = time.instants(at, zone)
    if len(found) == 1:
        return found[0]
    choices = " or ".join(_clock(reading, at) for reading in time.readings(at, zone))
    clock = at.time().isoformat(_precision(at))
    if found:
        words = f"The clocks show {clock} twice on this day: enter {choices}."
        raise Invalid(field, words, "ambiguous_time")
    words = f"The clocks skip {clock} on this day: enter {choices}."
    raise Invalid(field, words, "nonexistent_time")


def _precision(at: datetime) -> str:
    return "auto" if at.second or at.microsecond else "minutes"


def _clock(reading: datetime, asked: datetime) -> str:
    """`02:30+02:00`; with its day where that is another."""
    text = reading.isoformat(timespec=_precision(asked))
    return text if reading.date() != asked.date() else text.partition("T")[2]


def _timezone(value: Any) -> str:
    if value not in time.ZONES:
        raise Invalid("timezone", "Not a time zone name.", "unknown_timezone")
    return str(value)


def _currency(value: Any) -> str:
    if value not in money.CURRENCIES:
        raise Invalid("currency", "Not a currency code.", "unknown_currency")
    return str(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid("is_targeted", "True or false is expected.")
    return value


def _metadata(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid("metadata", "A JSON object is expected.", "not_an_object")
    _must_be_storable("metadata", value)
    if len(canonical(value).encode()) > MetadataField.MAX_BYTES:
        raise Invalid("metadata", "At most 4 KiB.", "max_length")
    return value


def _ids(field: str) -> Callable[[Any], list[int]]:
    def check(value: Iterable[Any]) -> list[int]:
        given = list(value)
        if not all(type(one) is int and 1 <= one <= MAX_ID for one in given):
            raise Invalid(field, "Ids are expected.")
        ids = sorted(set(given))
        if len(ids) > MAX_TARGETS:
            raise Invalid(field, f"At most {MAX_TARGETS}; use a pool for more.", "max_length")
        return ids

    return check


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "description": lambda value: text("description", value, MAX_DESCRIPTION),
    "start_at": _time("start_at"),
    "end_at": _time("end_at"),
    "timezone": _timezone,
    "currency": _currency,
    "is_targeted": _flag,
    "target_user_ids": _ids("target_user_ids"),
    "target_pool_ids": _ids("target_pool_ids"),
    "source_id": _source_id,
    "metadata": _metadata,
}
AUDIENCE = ("target_user_ids", "target_pool_ids")


def clean(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the form that is stored. Raises Invalid for the first that cannot be."""
    return {name: _CHECKS[name](value) for name, value in values.items()}


def differing(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Of the wanted values those that are not stored already."""
    return {
        name: value for name, value in wanted.items() if canonical(value) != canonical(stored[name])
    }


def canonical(value: Any) -> str:
    """One text per value: Python holds 1, 1.0 and True for equal, JSON does not."""
    try:
        return json.dumps(
            value, sort_keys=True, allow_nan=False, ensure_ascii=False, default=datetime.isoformat
        )
    except (TypeError, ValueError):
        raise Invalid("metadata", "Not JSON.") from None


def imply_targeting(values: dict[str, Any]) -> None:
    """Naming an audience makes a promotion targeted unless the caller says otherwise."""
    if any(values.get(name) for name in AUDIENCE):
        values.setdefault("is_targeted", True)


def check_whole(values: Mapping[str, Any]) -> None:
    """Rules over several fields. Raises InvalidTimeRange or Invalid."""
    if values["end_at"] <= values["start_at"]:
        raise InvalidTimeRange()
    if not values["is_targeted"] and any(values[name] for name in AUDIENCE):
        raise Invalid(
            "is_targeted", "An audience is named: empty it, or let is_targeted be true.", "targeted"
        )


def check_amount(field: str, amount: Any, currency: str) -> Decimal:
    """An amount its currency and our columns can hold, zero allowed."""
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise Invalid(field, "An amount is expected.")
    if amount < 0:
        raise Invalid(field, "An amount cannot be negative.", "min_value")
    if amount > money.MAX_AMOUNT:
        raise Invalid(field, f"At most {money.MAX_AMOUNT}.", "max_value")
    if not money.is_exact(amount, currency):
        raise Invalid(field, f"More decimals than {currency} has.", "max_decimal_places")
    return amount


def _must_be_storable(field: str, value: Any) -> None:
    try:
        check_storable(value)
    except Unreadable as error:
        raise Invalid(field, f"{error}.") from None
