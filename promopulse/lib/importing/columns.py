"""Columns and values: renaming, what is a field and what is metadata, text into values."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from promopulse.lib.errors import Invalid

MAX_ID = 2**63 - 1
MAX_SOURCE_ID = 128
MAX_METADATA_BYTES = 4_096
SOURCE_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_DIGITS = re.compile(r"[0-9]{1,19}")
METADATA = "metadata"


class Columns:
    """Which columns are fields, under which names; everything else is metadata.

    An alias is another name of a field: a column may have it, and be renamed to it.
    """

    def __init__(
        self,
        fields: set[str],
        renames: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._fields = frozenset(fields)
        self._renames = dict(renames or {})
        self._aliases = dict(aliases or {})
        self._spellings: dict[str, set[str]] = {}

    def split(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields that say something, and the metadata. Raises Invalid."""
        found: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        for column, value in values.items():
            name = self._renames.get(column, column)
            name = self._aliases.get(name, name)
            if name not in self._fields:
                if value is not None:
                    metadata[name] = value
            elif value is not None:
                if name in found:
                    raise Invalid(name, "Two columns are this field.", "twice")
                found[name] = value
                self._spellings.setdefault(name, set()).add(column)
        own = metadata.pop(METADATA, None)
        return found, metadata if own is None else as_metadata(own) | metadata

    def spelled(self, field: str) -> str:
        """What the file calls a field, for words about it; the field's own name if that varies."""
        spellings = self._spellings.get(field, set())
        return next(iter(spellings)) if len(spellings) == 1 else field


def as_metadata(value: Any) -> dict[str, Any]:
    """A JSON object, also as the text of one (CSV). Raises Invalid."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise Invalid(METADATA, "A JSON object is expected.", "not_an_object")
    return value


def check_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Metadata small enough to be kept. Raises Invalid."""
    if len(msgspec.json.encode(value)) > MAX_METADATA_BYTES:
        raise Invalid(METADATA, "At most 4 KiB.", "max_length")
    return value


def as_text(field: str, value: Any, most: int) -> str:
    """A trimmed text; a number is its digits. Raises Invalid."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Invalid(field, "A text is expected.")
    value = value.strip()
    if len(value) > most:
        raise Invalid(field, f"At most {most} characters.", "max_length")
    return value


def as_id(field: str, value: Any) -> int:
    """One of our ids. Raises Invalid."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_ID:
        raise Invalid(field, "An id is expected.")
    return value


def as_count(field: str, value: Any) -> int:
    """A whole number from 0 on, also as its digits (CSV). Raises Invalid."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if type(value) is not int or value < 0:
        raise Invalid(field, "A whole number is expected.")
    return value


def as_decimal(field: str, value: Any) -> Decimal:
    """A decimal number, also as its text (CSV). Raises Invalid."""
    text = "" if isinstance(value, bool) else str(value).strip()
    if not _DECIMAL.fullmatch(text):
        raise Invalid(field, "A number such as 19.90 is expected.")
    return Decimal(text)


def as_time(field: str, value: Any) -> datetime:
    """A time with its offset. Raises Invalid; a naive time is refused, not guessed."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Invalid(field, "A time such as 2026-05-01T09:00:00Z is expected.") from None
    if at.tzinfo is None:
        raise Invalid(field, "The time needs its offset, such as Z or +02:00.", "naive_time")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Invalid(field, "The time is out of range.", "overflow") from None


def as_flag(field: str, value: Any) -> bool:
    """True or false, also as their words (CSV). Raises Invalid."""
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    if not isinstance(value, bool):
        raise Invalid(field, "True or false is expected.")
    return value


def as_source_id(field: str, source: str, value: Any) -> str:
    """`NAME:<id>`: the file's own id under the name of its source. Raises Invalid."""
    own = as_text(field, value, MAX_SOURCE_ID)
    if not own:
        raise Invalid(field, "An id is expected.", "required")
    return as_text(field, f"{source}:{own}", MAX_SOURCE_ID)
