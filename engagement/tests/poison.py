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

_FIND = f"SELECT count(*) FROM ({{source}}) source WHERE source.i LIKE '{MARK}%%'"


def _is_poisoned(statement_text: str, params: dict[str, Any]) -> bool:
    inbox = "engagement_ingestbatch" in statement_text
    source = statement.INBOX_SOURCE if inbox else statement.RETRY_SOURCE
    return bool(sql.fetch_one(_FIND.format(source=source), params)[0])


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


def poisoned(harm: str) -> Callable[..., Any]:
    """The statement's `_run`, doing `harm` when one of its events is poison."""
    run = statement._run
    act = HARMS[harm]

    def wrapped(text: str, params: dict[str, Any]) -> Any:
        if _is_poisoned(text, params):
            act()
        return run(text, params)

    return wrapped
