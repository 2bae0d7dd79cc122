"""What the values of books, batches and coupons may be. Pure: raises Invalid naming the field."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from promopulse.lib.errors import Invalid
from promotions import rules as promotion_rules
from promotions.coupons import codes
from promotions.coupons.codes import PLACE, Shape

MAX_NAME = 255
MAX_DESCRIPTION = 10_000
MAX_REASON = promotion_rules.MAX_REASON
MAX_SOURCE_ID = 128
MAX_ORDER_ID = 128
MAX_LIMIT = 1_000_000
MAX_REDEMPTIONS = 1_000_000
MAX_GENERATED = 1_000_000
MAX_AT_ONCE = 10_000  # generated within the request; more is a job
MAX_UPLOADED = 100_000
MAX_ASSIGNED = 100
MAX_DISTRIBUTED = 100_000
DEFAULT_LOCK, MAX_LOCK = 300, 3_600  # seconds
# A seed survives a JSON number.
MAX_SEED = 2**53 - 1


def _name(value: Any) -> str:
    name = promotion_rules.text("name", value, MAX_NAME)
    if not name:
        raise Invalid("name", "A name is needed.", "blank")
    return name


def _flag(field: str) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise Invalid(field, "True or false is expected.")
        return value

    return check


def _limit(field: str) -> Callable[[Any], int | None]:
    return lambda value: None if value is None else whole(field, value, 1, MAX_LIMIT)


def _end(value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Invalid("expiration_date", "A time with its offset is expected.", "naive_time")
    if not promotion_rules.EARLIEST <= value < promotion_rules.LATEST:
        raise Invalid("expiration_date", "A time from 1970 to 9998 is expected.", "out_of_range")
    return value.astimezone(UTC)


def _promotion(value: Any) -> int | None:
    return None if value is None else whole("promotion_id", value, 1, 2**63 - 1)


def _pattern(value: Any) -> str:
    pattern = promotion_rules.text("code_pattern", value, codes.MAX_LENGTH)
    if pattern:
        _check_pattern("code_pattern", pattern)
    return pattern


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "description": lambda value: promotion_rules.text("description", value, MAX_DESCRIPTION),
    "promotion_id": _promotion,
    "expires_at": _end,
    "requires_assignment": _flag("requires_assignment"),
    "allow_multi_redemption": _flag("allow_multi_redemption"),
    "max_redemptions_per_user": _limit("max_redemptions_per_user"),
    "max_assignments_per_user": _limit("max_assignments_per_user"),
    "code_pattern": _pattern,
    "is_active": _flag("is_active"),
}
BOOK_FIELDS = tuple(_CHECKS)


def clean_book(values: Mapping[str, Any]) -> dict[str, Any]:
    """A book's values as they are stored."""
    return {name: _CHECKS[name](value) for name, value in values.items()}


def whole(field: str, value: Any, low: int, high: int) -> int:
    """A whole number within its bounds."""
    if type(value) is not int or not low <= value <= high:
        raise Invalid(field, f"A whole number from {low} to {high} is expected.", "out_of_range")
    return value


def reason(value: str) -> str:
    return promotion_rules.text("reason", value, MAX_REASON)


def source_id(value: str | None) -> str | None:
    return promotion_rules.text("source_id", value or "", MAX_SOURCE_ID) or None


def order_id(value: str | None) -> str | None:
    return promotion_rules.text("order_id", value or "", MAX_ORDER_ID) or None


def shape(
    *,
    pattern: str = "",
    prefix: str = "",
    suffix: str = "",
    length: int = codes.DEFAULT_LENGTH,
    charset: str = codes.DEFAULT_CHARSET,
) -> Shape:
    """What codes to generate look like, put together of what was said about them."""
    whole("length", length, codes.MIN_RANDOM, codes.MAX_RANDOM)
    letters = codes.clean_charset(charset)
    if len(letters) < 2:
        raise Invalid("charset", "At least two different letters or digits are expected.")
    pattern = pattern or PLACE
    _check_pattern("pattern", pattern)
    for field, part in (("prefix", prefix), ("suffix", suffix)):
        if PLACE in part or not _fits(f"A{part}A"):
            raise Invalid(field, "Letters, digits, dots, dashes, underscores and spaces only.")
    whole_pattern = f"{prefix}{pattern}{suffix}"
    example = whole_pattern.replace(PLACE, letters[0] * length)
    if len(example) > codes.MAX_LENGTH:
        raise Invalid("length", f"A code has at most {codes.MAX_LENGTH} characters.", "max_length")
    if not codes.is_writable(example):
        raise Invalid("pattern", "These codes could not be told apart or typed in.")
    return Shape(whole_pattern, length, letters)


def _check_pattern(field: str, pattern: str) -> None:
    if pattern.count(PLACE) != 1:
        raise Invalid(field, "One {} is expected, where the random part stands.", "pattern")
    if not _fits(pattern.replace(PLACE, "AAA")):
        raise Invalid(field, "Letters, digits, dots, dashes, underscores and spaces only.")


def _fits(text: str) -> bool:
    return len(text) > codes.MAX_LENGTH or bool(codes.normalise(f"AAA{text}"))


def metadata_text(value: dict[str, Any]) -> str:
    """Metadata as JSON that can be stored."""
    return promotion_rules.canonical(promotion_rules.clean({"metadata": value})["metadata"])
