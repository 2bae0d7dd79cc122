"""What the actions on letters share: the state change, the trail, the plan that was confirmed."""

from typing import Any

from accounts import audit
from engagement.letters.plans import Plan
from engagement.letters.selection import Selection
from engagement.models import DeadLetterEvent
from promopulse.lib import sql
from promotions import rules

_MOVE = """
UPDATE engagement_deadletterevent SET
    state = %(state)s, state_reason = %(reason)s,
    closed_at = CASE WHEN %(closed)s::boolean THEN clock_timestamp() END
WHERE id = ANY(%(ids)s::bigint[])
RETURNING id
"""

_CLOSED = frozenset({DeadLetterEvent.State.DISCARDED})


def clean_reason(reason: str) -> str:
    """The reason as it is kept. Raises Invalid."""
    return rules.text("reason", reason, rules.MAX_REASON)


def move(ids: list[int], state: DeadLetterEvent.State, reason: str = "") -> None:
    """Put locked letters into a state."""
    params = {"ids": ids, "state": state, "reason": reason, "closed": state in _CLOSED}
    sql.fetch_all(_MOVE, params)


def write_down(plan: Plan, selection: Selection, reason: str, **more: Any) -> None:
    """One audit entry for the whole action. Of many letters, the entry's object is number 0."""
    letter = DeadLetterEvent(pk=plan.ids[0] if plan.count == 1 else 0)
    after = {
        "count": plan.count,
        "by_cause": plan.by_cause,
        "already_counted": plan.already_counted,
        "selection": selection.words(),
        **{name: value for name, value in more.items() if value is not None},
    }
    audit.record(f"dead_letter.{plan.action}", letter, after=after, reason=reason)
