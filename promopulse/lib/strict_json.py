"""Strict JSON in: no NaN, no NUL, no lone surrogate, no bottomless nesting."""

from typing import Any

import msgspec

MAX_DEPTH = 64


class Unreadable(ValueError):
    """The text is not JSON that can be stored; the message is fit to be shown."""


def read_json(text: bytes) -> Any:
    """Decode one JSON document. Raises Unreadable with the reason."""
    try:
        value = msgspec.json.decode(text)  # refuses NaN, lone surrogates and broken UTF-8
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from None
    except RecursionError:
        raise Unreadable("JSON is nested too deeply") from None
    check_storable(value)
    return value


def check_storable(value: Any, depth: int = 0) -> None:
    """PostgreSQL's text and jsonb hold no NUL characters. Raises Unreadable."""
    if isinstance(value, str):
        if "\x00" in value:
            raise Unreadable("NUL characters are not allowed")
    elif depth > MAX_DEPTH:
        raise Unreadable("JSON is nested too deeply")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_storable(key, depth)
            check_storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_storable(item, depth + 1)
