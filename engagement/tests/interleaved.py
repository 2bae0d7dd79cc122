"""Two transactions at once, in an order that is made sure of."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

PATIENCE = 30


@contextmanager
def elsewhere(act: Callable[[], Any]) -> Iterator[None]:
    """Meanwhile another connection has done `act` and not committed."""
    go_on = threading.Event()
    with _beside(act, lambda: go_on.wait(PATIENCE)):
        try:
            yield
        finally:
            go_on.set()


@contextmanager
def ahead(act: Callable[[], Any], *, commits: bool = True) -> Iterator[None]:
    """Another connection has done `act`, and commits once somebody waits for it, as they must.

    Or all of it is undone then.
    """
    waited_for = []

    def then() -> None:
        waited_for.append(_is_waited_for())
        transaction.set_rollback(not commits)

    with _beside(act, then):
        yield
    assert waited_for == [True], "nobody waited for it"


@contextmanager
def _beside(act: Callable[[], Any], then: Callable[[], Any]) -> Iterator[None]:
    done, errors = threading.Event(), []

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                done.set()
                then()
        except Exception as error:
            errors.append(error)
        finally:
            done.set()
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(PATIENCE)
    try:
        yield
    finally:
        thread.join()
    assert not errors, errors


def _is_waited_for() -> bool:
    """Whether somebody comes to wait for the transaction of this connection."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks "
                "WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return True
        time.sleep(0.02)
    return False
