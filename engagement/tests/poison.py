"""Events that do harm: the processing statement is wrapped so that it fails where one is in it."""

import os
import resource
import signal
import time
from collections.abc import Callable
from typing import Any

from engagement.processing import statement
from promopulse.lib import sql

MARK = "poison"

_FIND = f"""
SELECT count(*), count(*) FILTER (WHERE source.i LIKE '{MARK}%%') FROM ({{source}}) source
"""


def _counts(statement_text: str, params: dict[str, Any]) -> tuple[int, int]:
    """How many events the statement is about, and how many of them are poison."""
    sources = (statement.REQUEST_SOURCE, statement.REPLAY_SOURCE, statement.RETRY_SOURCE)
    source = next(source for source in sources if source in statement_text)
    events, bad = sql.fetch_one(_FIND.format(source=source), params)
    return events, bad


def _raise() -> None:
    raise ZeroDivisionError("poison 17 does not divide")


def _hang() -> None:
    time.sleep(600)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exhaust_memory() -> None:
    limit = 400 * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        bytearray(8 * limit)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


HARMS: dict[str, Callable[[], None]] = {
    "raise": _raise,
    "hang": _hang,
    "kill": _kill,
    "memory": _exhaust_memory,
}


def poisoned(harm: str, when_alone: Callable[[], None] = lambda: None) -> Callable[..., Any]:
    """The statement's `_run`, doing `harm` when one of its events is poison.

    `when_alone` is called before, when that is the only event.
    """
    run = statement._run
    act = HARMS[harm]

    def wrapped(text: str, params: dict[str, Any]) -> Any:
        events, bad = _counts(text, params)
        if bad:
            if events == 1:
                when_alone()
            act()
        return run(text, params)

    return wrapped
