"""One statement of the hottest route, sent with libpq itself.

Opening Django's connection, a cursor and psycopg's own waiting cost more than the rest of a request
that carries one event. Here a connection of the pool is borrowed for one call. Where Django's is
open already, in a transaction say, the statement runs there as any other.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connection
from django.db.models import (
    DateField,
    DateTimeField,
    DecimalField,
    Field,
    ForeignKey,
    IntegerField,
    Model,
)
from psycopg.pq import ConnStatus, ExecStatus

from promopulse.lib import sql

Row = tuple[str | None, ...]
M = TypeVar("M", bound=Model)


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
        """The only row of one that always gives a row. Errors are Django's."""
        row = self.fetch(params)
        if row is None:
            raise LookupError(f"{self._name.decode()} gave no row")
        return row

    def fetch(self, params: Mapping[str, str | None]) -> Row | None:
        """Its row, or None without one. Errors are Django's."""
        pool = getattr(connection, "pool", None)
        if pool is None or connection.connection is not None:
            row: Row | None = sql.fetch_one(self._django_text, params)
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

    def _run(self, borrowed: Any, values: list[bytes | None]) -> Row | None:
        session = borrowed.pgconn
        prepared = borrowed.__dict__.setdefault("prepared_directly", set())
        if self._name not in prepared:
            _succeeded(session, session.prepare(self._name, self._text))
            prepared.add(self._name)
        result = _succeeded(session, session.exec_prepared(self._name, values))
        if not result.ntuples:
            return None
        return tuple(
            None if (value := result.get_value(0, column)) is None else value.decode()
            for column in range(result.nfields)
        )


_READERS: tuple[tuple[type["Field[Any, Any]"], Callable[[str], Any]], ...] = (
    (IntegerField, int),
    (DecimalField, Decimal),
    (DateTimeField, datetime.fromisoformat),
    (DateField, date.fromisoformat),
)


def _reader(field: Any) -> Callable[[str], Any]:
    if isinstance(field, ForeignKey):
        field = field.target_field
    return next((read for kind, read in _READERS if isinstance(field, kind)), str)


class RowStatement(Generic[M]):
    """A statement that writes one row and gives it back as an instance of its model.

    `{row}` in its text stands for all columns of the model, after RETURNING or of a CTE.
    """

    def __init__(self, name: str, model: type[M], text: str) -> None:
        fields = model._meta.concrete_fields
        self._model = model
        self._names = [field.attname for field in fields]
        self._readers = [_reader(field) for field in fields]
        row = ", ".join(f"{field.column}::text" for field in fields)
        self._statement = Statement(name, text.replace("{row}", row))

    def fetch(self, params: Mapping[str, Any]) -> M | None:
        """The row, or None without one. A parameter is anything whose `str` PostgreSQL reads."""
        row = self._statement.fetch(
            {name: None if value is None else str(value) for name, value in params.items()}
        )
        if row is None:
            return None
        values = [
            None if text is None else read(text)
            for read, text in zip(self._readers, row, strict=True)
        ]
        written: M = self._model.from_db("default", self._names, values)
        return written


def _succeeded(session: Any, result: Any) -> Any:
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return result
    if session.status == ConnStatus.BAD:
        raise psycopg.OperationalError(session.get_error_message())
    raise psycopg.errors.error_from_result(result)
