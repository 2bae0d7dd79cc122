"""Raw statements on hot paths: prepared on the server, parameters bound there.

Django interpolates parameters on the client, so the server plans every statement anew; a plan of
the ingest or processing statement costs more than running it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, transaction


@contextmanager
def prepared_cursor() -> Iterator["psycopg.Cursor[Any]"]:
    """A server-side binding cursor on Django's connection; errors are Django's."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def fetch_one(sql: str, params: Mapping[str, Any]) -> Any:
    """Run a statement, prepared, and give its only row (None without one)."""
    with prepared_cursor() as cursor:
        cursor.execute(sql, params, prepare=True)
        return cursor.fetchone()


def fetch_all(sql: str, params: Mapping[str, Any]) -> list[Any]:
    """Run a statement, prepared, and give its rows."""
    with prepared_cursor() as cursor:
        cursor.execute(sql, params, prepare=True)
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
