"""Pages of a list that is newest first: by the id of their ends, never by counting."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

_MOST = 2**63 - 1


@dataclass(frozen=True)
class Listed:
    """Some rows, and the addresses of those before and after them, where there are any."""

    rows: list[Any]
    newer: str = ""
    older: str = ""


def listed(request: HttpRequest, found: QuerySet[Any], size: int) -> Listed:
    """The rows that the address asks for: `before` or `after` an id."""
    before, after = (_number(request, name) for name in ("before", "after"))
    if after is not None:
        rows = list(found.filter(pk__gt=after).order_by("pk")[: size + 1])
        more, rows = len(rows) > size, rows[:size][::-1]
        return Listed(rows, _link(request, rows[:1], "after") if more else "",
                      _link(request, rows[-1:], "before"))  # fmt: skip
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found.order_by("-pk")[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    newer = _link(request, rows[:1], "after") if before is not None else ""
    return Listed(rows, newer, _link(request, rows[-1:], "before") if more else "")


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 20 and int(text) <= _MOST else None


def _link(request: HttpRequest, end: list[Any], way: str) -> str:
    if not end:
        return ""
    query = request.GET.copy()
    for name in ("before", "after", "told"):
        query.pop(name, None)
    query[way] = str(end[0].pk)
    return f"?{query.urlencode()}"
