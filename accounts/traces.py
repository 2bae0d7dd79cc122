"""Does a stored answer show a person? Judged by what is in it, so no new route is forgotten."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

# How answers name the person whom an object is about.
_WHOSE = ("user_id", "customer_id", "assigned_to")


class Person(NamedTuple):
    """Who somebody is, in clear; None where that is not known, or not any more."""

    id: int
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    source_id: str | None = None


def shows(answer: str, person: Person) -> bool:
    """Whether the answer holds the person's e-mail or phone number, the person as an object, or an
    object about them with metadata or one of their names in it.
    """
    if any(
        trace and trace.casefold() in answer.casefold() for trace in (person.email, person.phone)
    ):
        return True
    try:
        document = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return any(_is_about(one, person) for one in _objects(document))


def _is_about(one: dict[str, Any], person: Person) -> bool:
    if one.get("id") == person.id and "email" in one:
        return True
    if not any(one.get(key) == person.id for key in _WHOSE):
        return False
    names = {person.name, person.source_id} - {None, ""}
    return bool(one.get("metadata")) or any(
        isinstance(value, str) and value in names for value in one.values()
    )


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document, however deep."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
