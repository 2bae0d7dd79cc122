"""Where a trace of a person could rest: tables, Redis, log lines."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import connection

from promopulse.lib import redis


def tables() -> Iterator[tuple[str, str]]:
    """Every table there is, with all its columns of all its rows as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {name} t")
            yield name, cursor.fetchone()[0]


def in_redis() -> Iterator[tuple[str, str]]:
    client = redis.client()
    readers: dict[Any, Any] = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": client.xrange,
    }
    for key in client.scan_iter():
        kind = client.type(key)
        if kind != b"none":  # gone meanwhile
            yield str(key), f"{key} {readers[kind](key)}"


@contextmanager
def every_log_line() -> Iterator[io.StringIO]:
    """Every line, of every level, as production writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    (formatter,) = {
        handler.formatter
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    }
    handler.setFormatter(formatter)
    handler.addFilter(lambda record: not record.name.startswith("factory"))  # tests' own
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
