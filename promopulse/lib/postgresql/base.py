"""Django's PostgreSQL backend with a pool that asks a connection for life only after a rest.

Django's own check costs a round trip at every request. A connection that was in use a moment ago
is as alive as one that has just answered; one that rested may have been closed from afar.
"""

import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

REST_SECONDS = 1.0


def check_after_rest(connection: Any) -> None:
    """The pool's `check`. Raises OperationalError for a connection that does not answer."""
    if time.monotonic() - getattr(connection, "returned_at", 0.0) > REST_SECONDS:
        ConnectionPool.check_connection(connection)


class DatabaseWrapper(base.DatabaseWrapper):
    """CONN_HEALTH_CHECKS decides whether connections are checked at all."""

    @property
    def pool(self) -> Any:
        pool = super().pool
        if pool is not None and pool._check is ConnectionPool.check_connection:
            pool._check = check_after_rest  # Django lets no check of one's own through
        return pool

    def _close(self) -> None:
        # Not the pool's own `reset`, which would pass every connection through another thread.
        if self.connection is not None:
            self.connection.returned_at = time.monotonic()
        super()._close()  # type: ignore[misc]
