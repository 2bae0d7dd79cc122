"""What kinds of jobs there are. An app registers its own when it is ready."""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.models import Job


class Later(Exception):
    """Raised by a step that must wait for something to pass; it is tried again soon."""


@dataclass(frozen=True)
class Kind:
    """`step` does a bounded part in the caller's transaction and says whether there is more.

    It moves the job's `done`, `place` and `result` on; the caller saves them. A DomainError that
    it raises ends the job, anything else is tried again. `file` is the name of the file it makes.
    """

    name: str
    step: Callable[[Job], bool]
    file: str = ""


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _kinds[kind.name] = kind


def names() -> list[str]:
    return sorted(_kinds)


def kind_of(job: Job) -> Kind | None:
    """None for a kind that this version does not know."""
    return _kinds.get(job.kind)
