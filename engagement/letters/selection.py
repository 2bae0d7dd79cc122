"""Which letters an action is about."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from engagement import selectors
from engagement.models import DeadLetterEvent
from promopulse.lib import sql
from promopulse.lib.time import rfc3339

_IDS_TOLD = 100
_IDS = ("ids", "after_id", "upto_id")

_LOCK = """
SELECT id FROM engagement_deadletterevent
WHERE id = ANY(%(ids)s::bigint[]) AND state = %(state)s
ORDER BY event_id FOR UPDATE
"""


@dataclass(frozen=True)
class Selection:
    """Letters by id, or by what they have in common; all of them if nothing is said.

    The time is when they died; `since` is counted in, `until` is not. `after_id` and `upto_id`
    bound a part of them, by which a long replay goes on.
    """

    ids: tuple[int, ...] | None = None
    cause: str | None = None
    fingerprint: str | None = None
    event_type: str | None = None
    promotion_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    after_id: int | None = None
    upto_id: int | None = None

    def rows(self) -> QuerySet[DeadLetterEvent]:
        """The letters, in whatever state."""
        filters = {name: value for name, value in vars(self).items() if name not in _IDS}
        found = selectors.letters(**filters)
        if self.after_id is not None:
            found = found.filter(pk__gt=self.after_id)
        if self.upto_id is not None:
            found = found.filter(pk__lte=self.upto_id)
        return found if self.ids is None else found.filter(pk__in=self.ids)

    def pick(self, state: str, most: int | None = None) -> list[int]:
        """Ids of the letters in `state`, oldest first; at most so many."""
        rows = self.rows().filter(state=state).order_by("pk")
        return list(rows.values_list("pk", flat=True)[:most])

    def words(self) -> dict[str, Any]:
        """What was asked for, for the audit trail."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        if self.ids is not None:
            said["ids"] = list(self.ids[:_IDS_TOLD])
        return {
            name: rfc3339(value) if isinstance(value, datetime) else value
            for name, value in said.items()
        }


def from_words(words: dict[str, Any]) -> Selection:
    """What `words` said, read again."""
    given = dict(words)
    for name in ("since", "until"):
        if name in given:
            given[name] = datetime.fromisoformat(given[name])
    if "ids" in given:
        given["ids"] = tuple(given["ids"])
    return Selection(**given)


def lock(ids: list[int], state: str) -> list[int]:
    """Lock those that are in `state` still, in the order of their event ids. Oldest first."""
    return sorted(row for (row,) in sql.fetch_all(_LOCK, {"ids": ids, "state": state}))
