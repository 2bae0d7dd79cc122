"""A coupon's life: legal moves, what a stored state means at a moment, what refuses an action.

No queries here. The trigger `moves` keeps the same table of moves in the database, and the trigger
`takes` the same refusals of redeeming; a test compares them.
"""

from datetime import datetime
from enum import Enum, auto

from django.db import models


class State(models.TextChoices):
    """As stored. LOCKED lasts until `locked_until`; a book's end makes the first three EXPIRED."""

    UNASSIGNED = "UNASSIGNED"
    ASSIGNED = "ASSIGNED"
    LOCKED = "LOCKED"
    REDEEMED = "REDEEMED"
    EXPIRED = "EXPIRED"


OPEN = frozenset({State.UNASSIGNED, State.ASSIGNED, State.LOCKED})

# From LOCKED to LOCKED: somebody takes over a lock that has lapsed. From ASSIGNED to UNASSIGNED: a
# distribution is undone. Out of REDEEMED: a redemption is reversed.
MOVES: dict[State, frozenset[State]] = {
    State.UNASSIGNED: frozenset({State.ASSIGNED, State.REDEEMED, State.EXPIRED}),
    State.ASSIGNED: frozenset({State.UNASSIGNED, State.LOCKED, State.REDEEMED, State.EXPIRED}),
    State.LOCKED: frozenset({State.ASSIGNED, State.LOCKED, State.REDEEMED, State.EXPIRED}),
    State.REDEEMED: frozenset({State.UNASSIGNED, State.ASSIGNED}),
    State.EXPIRED: frozenset(),
}


class Action(Enum):
    """What somebody may try on a coupon."""

    ASSIGN = auto()
    LOCK = auto()
    UNLOCK = auto()
    REDEEM = auto()


# The code of the refusal; None: it may go on (a lock still asks for its token).
_REFUSALS: dict[Action, dict[State, str | None]] = {
    Action.ASSIGN: {
        State.UNASSIGNED: None,
        State.ASSIGNED: "coupon_not_available",
        State.LOCKED: "coupon_not_available",
        State.REDEEMED: "coupon_not_available",
        State.EXPIRED: "coupon_expired",
    },
    Action.LOCK: {
        State.UNASSIGNED: "coupon_not_assigned",
        State.ASSIGNED: None,
        State.LOCKED: "coupon_already_locked",
        State.REDEEMED: "coupon_redeemed",
        State.EXPIRED: "coupon_expired",
    },
    Action.UNLOCK: {
        State.UNASSIGNED: "coupon_not_assigned",
        State.ASSIGNED: "lock_token_mismatch",
        State.LOCKED: None,
        State.REDEEMED: "coupon_redeemed",
        State.EXPIRED: "coupon_expired",
    },
    Action.REDEEM: {
        State.UNASSIGNED: "coupon_not_assigned",
        State.ASSIGNED: None,
        State.LOCKED: "coupon_locked",
        State.REDEEMED: "coupon_redeemed",
        State.EXPIRED: "coupon_expired",
    },
}


def can_move(present: str, wanted: str) -> bool:
    return State(wanted) in MOVES[State(present)]


def state_at(
    stored: str, *, locked_until: datetime | None, expires_at: datetime | None, at: datetime
) -> State:
    """What a coupon is at `at`. `expires_at` is its book's end."""
    state = State(stored)
    if state in OPEN and expires_at is not None and at >= expires_at:
        return State.EXPIRED
    if state == State.LOCKED and locked_until is not None and at >= locked_until:
        return State.ASSIGNED
    return state


def refusal(action: Action, state: State, *, is_public: bool = False) -> str | None:
    """Why the state refuses an action, as a problem code; None where it does not.

    `is_public`: the book lets anybody redeem a code that is nobody's.
    """
    if action is Action.REDEEM and state == State.UNASSIGNED and is_public:
        return None
    return _REFUSALS[action][state]
