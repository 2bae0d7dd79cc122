"""Finding the bad events of a set that failed: halve it until what fails is one event.

Each part runs behind a savepoint, so that what goes well stands and what fails leaves nothing.
k bad events of n cost about k log n runs of the statement.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import transaction

from engagement.failures import Failure, classify, fingerprint
from engagement.processing import breaker
from engagement.processing.deadline import deadline
from engagement.processing.statement import Outcome


@dataclass
class Failed:
    """One event that failed alone, by its place in the set, and how."""

    place: int
    fingerprint: str


@dataclass
class Sifted:
    """What a set came to: the statement's outcomes, and the events that failed alone."""

    outcomes: list[Outcome] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def sift(
    act: Callable[[int, int], Outcome], first: int, last: int, *, watched: bool = True
) -> Sifted:
    """Run `act(first, last)`, in ever smaller parts where it fails.

    The breaker hears of it where it is `watched`. Raises Tripped when most events fail alike, and
    failures that are not the events' own.
    """
    sifted = Sifted()
    _sift(act, first, last, sifted, watched)
    return sifted


def _sift(
    act: Callable[[int, int], Outcome], first: int, last: int, sifted: Sifted, watched: bool
) -> None:
    try:
        with transaction.atomic(), deadline():
            sifted.outcomes.append(act(first, last))
    except Exception as error:
        if classify(error) is not Failure.UNKNOWN:
            raise
        if first == last:
            found = fingerprint(error)
            sifted.failed.append(Failed(first, found))
            breaker.failed(found, watched=watched)
            return
        middle = (first + last) // 2
        _sift(act, first, middle, sifted, watched)
        _sift(act, middle + 1, last, sifted, watched)
    else:
        breaker.went_well(last - first + 1, watched=watched)
