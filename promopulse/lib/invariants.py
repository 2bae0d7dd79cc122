"""Invariants: what must always hold, each a query that counts its violations."""

from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True)
class Invariant:
    """One thing that is always true. `sql` gives one number: how often it is not.

    `number` groups queries of one invariant: their violations are added up.
    """

    number: int
    words: str
    sql: str


def violations(invariant: Invariant) -> int:
    """How often the invariant does not hold, in the transaction's snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(invariant.sql)
        return int(cursor.fetchone()[0] or 0)
