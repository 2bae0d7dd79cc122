"""One statement of the hottest route, sent with libpq itself.

Opening Django's connection, a cursor and psycopg's own waiting cost more than the rest of a request
that carries one event. Here a connection of the pool is borrowed for one call. Where Django's is
open already, in a transaction say, the statement runs there as any other.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection
from psycopg.pq import ConnStatus, ExecStatus

from promopulse.lib import sql

Row = tuple[str | None, ...]


class Statement:
    """SQL with `%(name)s` parameters; all of them, and all that it gives, is text or NULL.

    Stands alone: it is a transaction of its own unless one is open.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name = name.encode()
        self._django_text = text
        names = dict.fromkeys(re.findall(r"%\((\w+)\)s", text))
        self._names = list(names)
        for place, parameter in enumerate(names, start=1):
            text = text.replace(f"%({parameter})s", f"${place}")
        self._text = text.encode()

    def fetch_one(self, params: Mapping[str, str | None]) -> Row:
        """Its only row. Errors are Django's."""
        pool = getattr(connection, "pool", None)
        if pool is None or connection.connection is not None:
            row: Row = sql.fetch_one(self._django_text, params)
            return row
        values = [
            None if (value := params[name]) is None else value.encode() for name in self._names
        ]
        with connection.wrap_database_errors:
            pool.open()
            borrowed = pool.getconn()
            try:
                return self._run(borrowed, values)
            finally:
                borrowed.returned_at = time.monotonic()
                pool.putconn(borrowed)

    def _run(self, borrowed: Any, values: list[bytes | None]) -> Row:
        session = borrowed.pgconn
        prepared = borrowed.__dict__.setdefault("prepared_directly", set())
        if self._name not in prepared:
            _succeeded(session, session.prepare(self._name, self._text))
            prepared.add(self._name)
        result = _succeeded(session, session.exec_prepared(self._name, values))
        return tuple(
            None if (value := result.get_value(0, column)) is None else value.decode()
            for column in range(result.nfields)
        )


def _succeeded(session: Any, result: Any) -> Any:
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return result
    if session.status == ConnStatus.BAD:
        raise psycopg.OperationalError(session.get_error_message())
    raise psycopg.errors.error_from_result(result)
