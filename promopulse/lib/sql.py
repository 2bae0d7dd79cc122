"""Raw statements, their parameters bound by the server.

They are planned each time, since Django keeps psycopg from preparing. Those whose plan would cost
more than running them are `direct.Statement`s.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, transaction


@contextmanager
def bound_cursor() -> Iterator["psycopg.Cursor[Any]"]:
    """A server-side binding cursor on Django's connection; errors are Django's."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def fetch_one(sql: str, params: Mapping[str, Any]) -> Any:
    """Run a statement and give its only row (None without one)."""
    with bound_cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()


def fetch_all(sql: str, params: Mapping[str, Any]) -> list[Any]:
    """Run a statement and give its rows."""
    with bound_cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def after_commit(act: Callable[[], None]) -> None:
    """Do it once the present transaction is committed, or now where there is none.

    Django's own asks an open connection, and opens one for that.
    """
    if connection.in_atomic_block:
        transaction.on_commit(act)
    else:
        act()


def delete_in_chunks(
    table: str, where: str, params: Mapping[str, Any], *, key: str = "id", rows: int = 1_000
) -> int:
    """Delete what `where` says, some rows a statement; gives how many.

    Rows somebody else holds are left for the next time, so it waits for nobody.
    """
    total = 0
    while gone := fetch_all(
        f"""
        DELETE FROM {table} WHERE {key} IN (
            SELECT {key} FROM {table} WHERE {where}
            ORDER BY {key} LIMIT {rows} FOR UPDATE SKIP LOCKED
        )
        RETURNING {key}
        """,
        params,
    ):
        total += len(gone)
    return total
