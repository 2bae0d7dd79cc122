"""Events on the wire: typed decoding, one canonical id, the digest that tells repeats from clashes.

No queries here. The batch path costs microseconds an event: nothing is decoded or built twice.
"""

import json
import re
import string
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Raw, Struct

from promopulse.lib import money
from promopulse.lib.strict_json import Unreadable, read_json

MAX_EVENTS = 5_000
MAX_METADATA_BYTES = 4_096
MAX_AHEAD = timedelta(minutes=5)
# Redemptions of the engine make their own events under this prefix.
RESERVED_PREFIX = "pp:"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Of a number in metadata, before or after its point: those of a double.
MOST_DIGITS = 308

T = TypeVar("T")
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
EventId = Annotated[
    str, Meta(pattern=r"^(?:[A-Za-z0-9._:-]{1,128}|\{[0-9A-Fa-f-]{32,36}\})\Z", max_length=128)
]


EventTypes = Literal["VIEW", "CLICK", "REDEEM"]
TYPES = get_args(EventTypes)

NO_METADATA = Raw(b"null")


class EventIn(Struct, forbid_unknown_fields=True, gc=False):
    """An event as a client sends it."""

    event_id: EventId
    type: EventTypes
    subscription_id: Id | None = None
    user_id: Id | None = None
    promotion_id: Id | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    amount: Decimal | None = None
    metadata: Raw = NO_METADATA


class EventsIn(Struct, forbid_unknown_fields=True):
    """Many events in one body; each is decoded alone if the whole is not clean."""

    events: list[Raw]


class UncheckedEventIn(EventIn, forbid_unknown_fields=True, gc=False):
    """The same but for the characters of its id: a pattern for each costs as much as all the rest,
    so those of a body are looked at together."""

    event_id: Annotated[str, Meta(min_length=1, max_length=128)]


class UncheckedEventsIn(Struct, forbid_unknown_fields=True):
    """Many of them, decoded at once."""

    events: list[UncheckedEventIn]


class StoredEvent(Struct, gc=False):
    """An event as it goes to the inbox, under the short keys the processing statement reads."""

    i: str  # canonical event id
    t: str  # type
    o: datetime  # occurred at, UTC
    s: int | None = None  # subscription
    u: int | None = None  # user
    p: int | None = None  # promotion
    a: Decimal | None = None  # amount
    m: Raw | None = None  # metadata, an object


class Accepted(Struct, gc=False):
    """An event on its way to the inbox: its place in the request, and its digest."""

    index: int
    event: StoredEvent
    digest: int


class Rejected(Struct, omit_defaults=True):
    """One event of a request that cannot be accepted, and why."""

    index: int
    event_id: str | None
    code: str
    detail: str


class Malformed(Unreadable):
    """Not JSON at all, as against JSON of the wrong shape."""


class Refusal(ValueError):
    """The event breaks a rule that decoding alone does not see."""


_decode_event = msgspec.json.Decoder(EventIn).decode
_decode_clean = msgspec.json.Decoder(UncheckedEventsIn).decode
_decode_wrapped = msgspec.json.Decoder(EventsIn).decode
_decode_lines = msgspec.json.Decoder(UncheckedEventIn).decode_lines
_encode = msgspec.json.Encoder(decimal_format="number").encode

_SMALLEST = Decimal(1).scaleb(-money.DECIMAL_PLACES)
_LONG_EXPONENT = re.compile(rb"[0-9][eE][+-]?[0-9]{3}")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_PLAIN = (string.ascii_letters + string.digits + "._:-,").encode()
_UUID_LENGTHS = {32, 34, 36, 38, 41, 45}


def canonical_id(event_id: str) -> str:
    """One spelling per UUID: lower case with dashes. Other ids stay as they are."""
    # Of 36 characters, and without braces, a UUID has its dashes already.
    length = len(event_id)
    if length not in _UUID_LENGTHS or (
        length == 36 and event_id[0] != "{" and event_id == event_id.lower()
    ):
        return event_id
    bare = event_id.lower().removeprefix("urn:uuid:").strip("{}")
    if not _UUID.fullmatch(bare):
        return event_id
    digits = bare.replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def digest(event: EventIn) -> int:
    """8 bytes of SHA-256 over the fields as sent, before defaults, as a signed integer."""
    occurred_at, amount = event.occurred_at, event.amount
    fields = (
        event.type,
        event.subscription_id,
        event.user_id,
        event.promotion_id,
        None if occurred_at is None else occurred_at.astimezone(UTC),
        None if amount is None else str(amount.normalize()),
        event.metadata,
    )
    return int.from_bytes(sha256(_encode(fields)).digest()[:8], signed=True)


def accept(event: EventIn, index: int, now: datetime) -> Accepted:
    """A decoded event as it can be stored. Raises Refusal; `now` is the default of occurred_at."""
    if event.subscription_id is None and (event.user_id is None or event.promotion_id is None):
        raise Refusal("subscription_id, or user_id and promotion_id, are needed")
    event_id = canonical_id(event.event_id)
    if event_id.startswith(RESERVED_PREFIX):
        raise Refusal(f"event ids beginning {RESERVED_PREFIX!r} are reserved")
    occurred_at = event.occurred_at
    if occurred_at is None:
        occurred_at = now
    elif occurred_at > now + MAX_AHEAD:
        raise Refusal("occurred_at is more than 5 minutes ahead")
    elif occurred_at < EARLIEST:
        raise Refusal("occurred_at is before the year 2000")
    amount = event.amount if event.amount is None else _exact(event.amount)
    metadata: Raw | None = event.metadata
    if metadata is NO_METADATA or bytes(event.metadata) == b"null":
        metadata = None
    else:
        _check_metadata(bytes(event.metadata))
    stored = StoredEvent(
        i=event_id,
        t=event.type,
        o=occurred_at.astimezone(UTC),
        s=event.subscription_id,
        u=event.user_id,
        p=event.promotion_id,
        a=amount,
        m=metadata,
    )
    return Accepted(index, stored, digest(event))


def _exact(amount: Decimal) -> Decimal:
    """The amount as it can be stored. Raises Refusal."""
    if not amount.is_finite() or not 0 <= amount <= money.MAX_AMOUNT:
        raise Refusal(f"amount is not between 0 and {money.MAX_AMOUNT}")
    if not amount:  # PostgreSQL reads no zero with an exponent of a billion
        return Decimal(0)
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -money.DECIMAL_PLACES:
        return amount
    # PostgreSQL reads no number of twenty thousand decimals, though all of them are 0.
    exact = amount.quantize(_SMALLEST)
    if exact != amount:
        raise Refusal(f"amount has more than {money.DECIMAL_PLACES} decimals")
    return exact


def _check_metadata(text: bytes) -> None:
    if not text.startswith(b"{"):
        raise Refusal("metadata is not an object")
    if len(text) > MAX_METADATA_BYTES:
        raise Refusal("metadata is over 4 KiB")
    # Only an escape can smuggle a NUL in, only brackets can nest too deeply.
    if b"\\u0000" in text or text.count(b"{") + text.count(b"[") > 32:
        read_json(text)
    # What others cannot read would hold up the events beside it, or be written out as a book.
    if _LONG_EXPONENT.search(text):
        json.loads(text, parse_float=_check_number)


def _check_number(literal: str) -> None:
    try:
        digits = abs(Decimal(literal).adjusted())
    except InvalidOperation:  # its exponent is no number of this machine
        digits = MOST_DIGITS + 1
    if digits > MOST_DIGITS:
        raise Refusal("metadata has a number out of range")


def split(body: bytes, *, ndjson: bool) -> list[bytes]:
    """The texts of a body's events: lines, a `{"events": [...]}` or one event.

    Raises Unreadable where the body as a whole makes no sense.
    """
    if ndjson:
        return [line for line in body.splitlines() if line.strip()]
    return [bytes(raw) for raw in _decode(_decode_wrapped, body).events]


def _decode(decode: Callable[[bytes], T], text: bytes) -> T:
    try:
        return decode(text)
    except msgspec.ValidationError as error:
        # Of all the fields only the type has its values listed, and msgspec does not say them.
        listed = f"Not one of {', '.join(TYPES)}:"
        raise Unreadable(str(error).replace("Invalid enum value", listed)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from None
    except RecursionError:
        raise Malformed("JSON is nested too deeply") from None


def decode_all(body: bytes, *, ndjson: bool) -> Sequence[EventIn] | None:
    """Every event of a clean body at once, None when one of them is not clean, or may not be."""
    try:
        events = _decode_lines(body) if ndjson else _decode_clean(body).events
        ids = ",".join([event.event_id for event in events])
        plain = not ids.encode().translate(None, _PLAIN) and ids.count(",") == len(events) - 1
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return events if plain else None


def decode_one(text: bytes) -> EventIn:
    """One event. Raises Unreadable with what is wrong with it."""
    return _decode(_decode_event, text)


def encode(events: list[StoredEvent]) -> str:
    """The inbox body: a JSON object with a column a field, which PostgreSQL reads in half the time
    it needs for an object an event.

    A column is its values in the order of the events, with commas between (none has a comma in
    it), nothing where an event has no value; a column without any is left out. Metadata is an
    object by the event's place, from 1.
    """
    body: dict[str, Any] = {
        "i": ",".join([event.i for event in events]),
        "t": ",".join([event.t for event in events]),
        # A quarter of the time of isoformat: as JSON, then without brackets and quotes.
        "o": _encode([event.o for event in events])[2:-2].decode().replace('","', ","),
    }
    columns: tuple[tuple[str, list[Any]], ...] = (
        ("s", [event.s for event in events]),
        ("u", [event.u for event in events]),
        ("p", [event.p for event in events]),
        ("a", [event.a for event in events]),
    )
    for name, values in columns:
        if any(value is not None for value in values):
            body[name] = ",".join(["" if value is None else str(value) for value in values])
    if metadata := {str(n): one.m for n, one in enumerate(events, start=1) if one.m is not None}:
        body["m"] = metadata
    return _encode(body).decode()


def shown_id(text: bytes) -> str | None:
    """The event id of a text that could not be decoded, for the answer, if there is one."""
    try:
        value = read_json(text)
    except Unreadable:
        return None
    found = value.get("event_id") if isinstance(value, dict) else None
    return found[:128] if isinstance(found, str) else None
