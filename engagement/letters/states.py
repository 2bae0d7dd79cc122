"""What may be done to a dead letter in which state."""

from dataclasses import dataclass

from engagement.models import DeadLetterEvent
from promotions.errors import InvalidTransition

State = DeadLetterEvent.State


@dataclass(frozen=True)
class Action:
    """A move from one state to another. In a state of `done` there is nothing left to do."""

    source: State
    target: State
    done: frozenset[State]


ACTIONS = {
    "replay": Action(
        State.OPEN,
        State.REPLAYING,
        frozenset({State.REPLAYING, State.RESOLVED, State.SUPERSEDED}),
    ),
    "discard": Action(State.OPEN, State.DISCARDED, frozenset({State.DISCARDED})),
    "restore": Action(State.DISCARDED, State.OPEN, frozenset({State.OPEN})),
}


def check(action: str, state: str) -> None:
    """Raises InvalidTransition where `action` makes no sense for a letter in this state."""
    move = ACTIONS[action]
    if state != move.source and state not in move.done:
        raise InvalidTransition(state, move.target)


def possible(state: str) -> list[str]:
    """The actions that would change a letter in this state."""
    return [name for name, move in ACTIONS.items() if move.source == state]
