"""When something we depend on goes away: what was claimed costs no attempt.

Whoever holds rows then gives them back, at once or as soon as the database takes it, on a thread of
its own. A lease that lapsed meanwhile looks like that of a worker that died, so whoever finds the
database well again leaves the others a moment for it before it claims anything.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection

from engagement.failures import Failure, classify
from promopulse.lib import sql

PAUSE_SECONDS = 0.5
LEAD_SECONDS = 2 * PAUSE_SECONDS

# Fails while nothing can be claimed, in a database that is read-only too.
_PROBE = "UPDATE engagement_consumption SET id = id WHERE false RETURNING id"

_noticed = False


@contextmanager
def heeded() -> Iterator[None]:
    """Around work on claimed rows: notices an outage, and its end before the work begins."""
    global _noticed
    if _noticed:
        sql.fetch_all(_PROBE, {})
        time.sleep(LEAD_SECONDS)
        _noticed = False
    try:
        yield
    except Exception as error:
        _noticed = classify(error) is Failure.DEPENDENCY
        raise


def give_back(act: Callable[[], None]) -> None:
    """Run `act`, which gives rows back, now or when the database answers again. Never raises."""
    if not _is_done(act):
        threading.Thread(target=_keep_trying, args=(act,), daemon=True).start()


def _keep_trying(act: Callable[[], None]) -> None:
    while not _is_done(act):
        time.sleep(PAUSE_SECONDS)
    connection.close()


def _is_done(act: Callable[[], None]) -> bool:
    try:
        connection.close()
        act()
    except (DatabaseError, InterfaceError):
        return False
    return True
