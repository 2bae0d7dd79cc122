"""Database triggers that more than one app needs."""

from typing import Any

import pgtrigger
from django.db import connections, models

# pgtrigger's own asks through an exception handler: a subtransaction and, as a rule, an error that
# is swallowed, in every call of every trigger. This gives the same answers.
_SHOULD_IGNORE = """
CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name name) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT trigger_name::text
        = ANY (NULLIF(current_setting('pgtrigger.ignore', true), '')::text[])
$$
"""


def append_only() -> list[pgtrigger.Trigger]:
    """Rows can be added and read; nothing changes, deletes or truncates them."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        no_truncate(),
    ]


def no_truncate() -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name="no_truncate",
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        func="RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;",
    )


def numbered_by_trigger() -> "models.BigIntegerField[int, int]":
    """The key of a table whose rows move others as they are inserted: its trigger sets it from a
    sequence, whatever was given, so that no row can be skipped for a key that is taken."""
    return models.BigIntegerField(primary_key=True, db_default=0, editable=False, verbose_name="ID")


def quicken(using: str, **kwargs: Any) -> None:
    """After migrations, each of which may have brought pgtrigger's own function back."""
    with connections[using].cursor() as cursor:
        cursor.execute(_SHOULD_IGNORE)
