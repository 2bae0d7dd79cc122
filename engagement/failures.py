"""What went wrong, in one place: is it the event, the moment, or something we depend on?

PostgreSQL's error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import re
from enum import Enum, auto

import redis
from django.db import IntegrityError, InterfaceError, OperationalError

FINGERPRINT_LENGTH = 200


class Failure(Enum):
    DEPENDENCY = auto()
    """Database or Redis away, read-only or full: costs no attempt, back off and try again."""
    CONTENTION = auto()
    """Lost against another worker: the next try sees what this one did not."""
    UNKNOWN = auto()
    """Anything else: the events are tried apart, so that one bad one does not hold the others."""


class Hung(Exception):
    """Processing took longer than it may."""


UNIQUE_VIOLATION = "23505"
_CONTENTION_STATES = frozenset({"40001", "40P01", "55P03"})
# Connection trouble, resources, operator's doing, system errors; 25006 is a read-only database.
_DEPENDENCY_CLASSES = ("08", "53", "58")
_DEPENDENCY_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "25006"})


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of an error that came through Django; None without one."""
    found = getattr(error.__cause__, "sqlstate", None) or getattr(error, "sqlstate", None)
    return str(found) if found else None


def classify(error: BaseException) -> Failure:
    """The class of a failure while events were processed."""
    state = sqlstate(error)
    if state in _CONTENTION_STATES or isinstance(error, IntegrityError):
        return Failure.CONTENTION
    if isinstance(error, redis.RedisError):
        return Failure.DEPENDENCY
    if state is not None:
        if state in _DEPENDENCY_STATES or state.startswith(_DEPENDENCY_CLASSES):
            return Failure.DEPENDENCY
        return Failure.UNKNOWN
    # A connection that broke, or could not be had, has no code.
    if isinstance(error, OperationalError | InterfaceError):
        return Failure.DEPENDENCY
    return Failure.UNKNOWN


def fingerprint(error: BaseException) -> str:
    """Groups failures of one kind: the class and the message without what varies or is personal."""
    message = str(error).partition("\n")[0]
    message = re.sub(r"'[^']*'|\"[^\"]*\"|\([^)]*\)", "...", message)
    message = re.sub(r"\b[0-9a-fA-F-]{8,}\b|\d+", "#", message)
    return f"{type(error).__name__}: {message}"[:FINGERPRINT_LENGTH]
