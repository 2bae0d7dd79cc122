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

_LOCK = """
SELECT id FROM engagement_deadletterevent
WHERE id = ANY(%(ids)s::bigint[]) AND state = %(state)s
ORDER BY event_id FOR UPDATE
"""


@dataclass(frozen=True)
class Selection:
    """Letters by id, or by what they have in common; all of them if nothing is said.

    The time is when they died; `since` is counted in, `until` is not.
    """

    ids: tuple[int, ...] | None = None
    cause: str | None = None
    fingerprint: str | None = None
    event_type: str | None = None
    promotion_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def rows(self) -> QuerySet[DeadLetterEvent]:
        """The letters, in whatever state."""
        filters = {name: value for name, value in vars(self).items() if name != "ids"}
        found = selectors.letters(**filters)
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


def lock(ids: list[int], state: str) -> list[int]:
    """Lock those that are in `state` still, in the order of their event ids. Oldest first."""
    return sorted(row for (row,) in sql.fetch_all(_LOCK, {"ids": ids, "state": state}))
