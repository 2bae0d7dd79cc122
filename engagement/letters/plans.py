"""What an action on letters would do: the preview of the API, the admin and the commands."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engagement.letters.selection import Selection
from engagement.processing.settle import COUNTED
from promopulse.lib import sql
from promopulse.lib.plans import digest

PROMOTIONS_TOLD = 100

_SUMMARY = f"""
SELECT cause, letter.promotion_id, count(*), min(dead_at), max(dead_at),
    count(*) FILTER (WHERE {COUNTED})
FROM engagement_deadletterevent letter
LEFT JOIN engagement_processedevent taken USING (event_id)
WHERE letter.id = ANY(%(ids)s::bigint[])
GROUP BY cause, letter.promotion_id
"""


@dataclass(frozen=True)
class Plan:
    """The letters an action moves, or has moved, and what they are.

    `left_out` were named by id and are in no state for it, or unknown. `already_counted` were sent
    again and counted since: a replay closes them and counts nothing. `hash` stands for exactly
    these letters and this action.
    """

    action: str
    ids: list[int]
    left_out: int
    by_cause: dict[str, int]
    by_promotion: list[tuple[int | None, int]]
    oldest_at: datetime | None
    newest_at: datetime | None
    already_counted: int

    @property
    def count(self) -> int:
        return len(self.ids)

    @property
    def hash(self) -> str:
        return digest(self.action, self.ids)

    def figures(self) -> dict[str, Any]:
        """The plan as the API and the commands tell it."""
        return {
            "count": self.count,
            "left_out": self.left_out,
            "already_counted": self.already_counted,
            "by_cause": self.by_cause,
            "by_promotion": [
                {"promotion_id": promotion_id, "count": count}
                for promotion_id, count in self.by_promotion
            ],
            "oldest_at": self.oldest_at,
            "newest_at": self.newest_at,
            "plan": self.hash,
        }


def plan_of(action: str, ids: list[int], selection: Selection) -> Plan:
    """Describe these letters, which `selection` picked for `action`."""
    causes: Counter[str] = Counter()
    promotions: Counter[int | None] = Counter()
    ages: list[datetime] = []
    counted = 0
    for cause, promotion_id, count, oldest, newest, known in sql.fetch_all(_SUMMARY, {"ids": ids}):
        causes[cause] += count
        promotions[promotion_id] += count
        ages += [oldest, newest]
        counted += known
    return Plan(
        action=action,
        ids=ids,
        left_out=len(set(selection.ids or ids)) - len(ids),
        by_cause=dict(causes.most_common()),
        by_promotion=promotions.most_common(PROMOTIONS_TOLD),
        oldest_at=min(ages, default=None),
        newest_at=max(ages, default=None),
        already_counted=counted,
    )
