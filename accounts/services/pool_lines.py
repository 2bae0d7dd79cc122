"""People of a pool as a list that somebody brings: one line each, a verdict on each.

A line is a whole e-mail address, an id, or a client's own id (source_id). A number is taken for an
id first. Nobody is made here: who is not known is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from accounts import pii
from accounts.models import PoolMembership, User
from accounts.services import pools
from promopulse.lib import uploads
from promopulse.lib.fields import MAX_ID

MOST = 20_000
ADD, REMOVE = "add", "remove"
JOINS, IS_IN, LEAVES, IS_OUT, UNKNOWN, TWICE = (
    *("joins", "already_in", "leaves", "not_in", "unknown", "twice"),
)
# Headers of columns that name people, the best first.
_COLUMNS = ("id", "user_id", "email", "e-mail", "source_id")
_CHUNK = 5_000


@dataclass(frozen=True)
class Line:
    """One line, and who it names, if anybody."""

    text: str
    verdict: str
    user_id: int | None = None


def lines_of(content: bytes) -> list[str]:
    """One name a row out of a CSV file: of the columns id, email and source_id, or the only one.

    Raises Invalid.
    """
    return uploads.column_of(
        content,
        _COLUMNS,
        most=MOST,
        expected="A column named id, email or source_id is expected.",
        reason="no_column",
    )


def judge(pool_id: int, lines: Sequence[str], *, move: str = ADD) -> list[Line]:
    """What would become of each line; nothing is written."""
    known = _Known(lines)
    found = [known.user_of(line) for line in lines]
    members = _members(pool_id, {user for user in found if user is not None})
    judged: list[Line] = []
    seen: set[int] = set()
    for line, user_id in zip(lines, found, strict=True):
        if user_id is None:
            verdict = UNKNOWN
        elif user_id in seen:
            verdict = TWICE
        elif move == ADD:
            verdict = IS_IN if user_id in members else JOINS
        else:
            verdict = LEAVES if user_id in members else IS_OUT
        if user_id is not None:
            seen.add(user_id)
        judged.append(Line(line.strip(), verdict, user_id))
    return judged


def moving(judged: Sequence[Line]) -> list[int]:
    """Who would join or leave, by id."""
    return sorted(
        line.user_id for line in judged if line.verdict in (JOINS, LEAVES) and line.user_id
    )


def move(pool_id: int, user_ids: Sequence[int], what: str) -> int:
    """Let them join (ADD) or leave (REMOVE); how many moved. Raises NotFound."""
    change = pools.add_users if what == ADD else pools.remove_users
    return change(pool_id, user_ids=user_ids)[1].moved


class _Known:
    """Who the lines name: three look-ups, whatever their number."""

    def __init__(self, lines: Sequence[str]) -> None:
        names = {line.strip() for line in lines}
        self._emails = {name: pii.email_index(name) for name in names if "@" in name}
        ids = {number for name in names if (number := _id(name)) is not None}
        self._by_id = {pk for (pk,) in _look("pk", ids, "pk")}
        self._by_email = {
            bytes(index): pk for index, pk in _look("email_bidx", self._emails.values())
        }
        self._by_source = dict(_look("source_id", (name for name in names if len(name) <= 128)))

    def user_of(self, line: str) -> int | None:
        name = line.strip()
        if (number := _id(name)) is not None and number in self._by_id:
            return number
        if name in self._emails and (found := self._by_email.get(self._emails[name])):
            return found
        return self._by_source.get(name)


def _look(column: str, values: Iterable[Any], *columns: str) -> list[Any]:
    """Of people who are not erased, those with one of these values."""
    found: list[Any] = []
    wanted = sorted(set(values))
    for start in range(0, len(wanted), _CHUNK):
        users = User.objects.filter(
            erased_at=None, **{f"{column}__in": wanted[start : start + _CHUNK]}
        )
        found += users.values_list(*(columns or (column, "pk")))
    return found


def _members(pool_id: int, user_ids: set[int]) -> set[int]:
    found: set[int] = set()
    wanted = sorted(user_ids)
    for start in range(0, len(wanted), _CHUNK):
        rows = PoolMembership.objects.filter(
            pool_id=pool_id, user_id__in=wanted[start : start + _CHUNK]
        )
        found.update(rows.values_list("user_id", flat=True))
    return found


def _id(name: str) -> int | None:
    if not (name.isascii() and name.isdigit() and len(name) < 20):
        return None
    return int(name) if int(name) <= MAX_ID else None
