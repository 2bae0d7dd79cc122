"""Raw SQL in tests: what goes around the services."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from promopulse.lib.problems import constraint_of


def run(sql: str, *params: Any) -> int:
    """One statement and whatever was deferred to the commit; how many rows it met."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)
        met: int = cursor.rowcount
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return met


def refused_by(sql: str, *params: Any) -> str:
    """The constraint that refuses a statement."""
    with pytest.raises(IntegrityError) as refused:
        run(sql, *params)
    return constraint_of(refused.value)
