"""What kinds of jobs there are. An app registers its own when it is ready."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.models import Job
from promopulse.lib.errors import PermissionDenied


class Later(Exception):
    """Raised by a step that must wait for something to pass; it is tried again soon."""


@dataclass(frozen=True)
class Kind:
    """`step` does a bounded part in the caller's transaction and says whether there is more.

    It moves the job's `done`, `place` and `result` on; the caller saves them. A DomainError that
    it raises ends the job, anything else is tried again. A step that finds its work called off
    makes the job's state cancelled itself. `words` are what people call the kind, `file` is the
    name of the file it makes. `cancel`, `failed` and `again` are told, in the transaction of the
    move, of a job that is stopped, has failed or is taken up; `failed` of one that may be taken up
    later or never. `may` says who may do now what it does: who may not neither stops it, nor takes
    it up, nor gets its file, even where it is their own. `takes_rows`: it cannot go on without what
    was brought for it.
    """

    name: str
    words: str
    step: Callable[[Job], bool]
    file: str = ""
    cancel: Callable[[Job, str], object] | None = None
    failed: Callable[[Job], object] | None = None
    again: Callable[[Job], object] | None = None
    may: Callable[[Any, Job], bool] = lambda _user, _job: True
    takes_rows: bool = False


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _kinds[kind.name] = kind


def known() -> dict[str, str]:
    """All kinds, with what people call them."""
    return {kind.name: kind.words for kind in sorted(_kinds.values(), key=lambda one: one.words)}


def kind_of(job: Job) -> Kind | None:
    """None for a kind that this version does not know."""
    return _kinds.get(job.kind)


def still_may(job: Job) -> None:
    """For a step that does its work in the name of who asked for it.

    Raises PermissionDenied where they may not do it any more; what no person asked for goes on.
    """
    kind = _kinds[job.kind]
    if job.actor is not None and not kind.may(job.actor, job):
        raise PermissionDenied("Who asked for it may not do this any more.")
