"""What kinds of jobs there are. An app registers its own when it is ready."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.models import Job


class Later(Exception):
    """Raised by a step that must wait for something to pass; it is tried again soon."""


@dataclass(frozen=True)
class Kind:
    """`step` does a bounded part in the caller's transaction and says whether there is more.

    It moves the job's `done`, `place` and `result` on; the caller saves them. A DomainError that
    it raises ends the job, anything else is tried again. A step that finds its work called off
    makes the job's state cancelled itself. `file` is the name of the file it makes. `cancel` and
    `again` are told, in the transaction of the move, of a job that is stopped or taken up. `may`
    says who stops one or takes it up, of those whose it is: who may do now what it does.
    """

    name: str
    step: Callable[[Job], bool]
    file: str = ""
    cancel: Callable[[Job, str], object] | None = None
    again: Callable[[Job], object] | None = None
    may: Callable[[Any], bool] = lambda _user: True


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _kinds[kind.name] = kind


def names() -> list[str]:
    return sorted(_kinds)


def kind_of(job: Job) -> Kind | None:
    """None for a kind that this version does not know."""
    return _kinds.get(job.kind)
