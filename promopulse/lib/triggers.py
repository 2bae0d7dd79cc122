"""Database triggers that more than one app needs."""

from typing import Any

import pgtrigger
from django.db import connections, models

# With pgtrigger's own, any session turns any trigger off by a setting, and each call of a trigger
# asks for it through an exception handler: a subtransaction and, as a rule, an error. A constant is
# folded away.
_SHOULD_IGNORE = """
CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name name) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT false $$
"""


def append_only() -> list[pgtrigger.Trigger]:
    """Rows can be added and read; nothing changes, deletes or truncates them."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        no_truncate(),
    ]


def append_only_unless(condition: str) -> list[pgtrigger.Trigger]:
    """As `append_only`, but a row may be deleted while the condition on it, OLD, holds."""
    return _stays(f"TG_OP = 'DELETE' AND {condition}", "OLD")


def all_but(column: str) -> list[pgtrigger.Trigger]:
    """As `append_only`, but the column may be emptied (NULL), as where a person is erased."""
    return _stays(
        f"""TG_OP = 'UPDATE' AND NEW.{column} IS NULL
                        AND to_jsonb(NEW) - '{column}' = to_jsonb(OLD) - '{column}'""",
        "NEW",
    )


def _stays(unless: str, row: str) -> list[pgtrigger.Trigger]:
    """Nothing changes, deletes or truncates rows; where the condition holds, `row` passes."""
    return [
        pgtrigger.Trigger(
            name="stays",
            operation=pgtrigger.Update | pgtrigger.Delete,
            when=pgtrigger.Before,
            func=f"""
                IF {unless} THEN
                    RETURN {row};
                END IF;
                RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
            """,
        ),
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


def heed(using: str, **kwargs: Any) -> None:
    """No trigger is ignored: after migrations, each of which may have brought pgtrigger's own
    function back, which lets `pgtrigger.ignore` skip them."""
    with connections[using].cursor() as cursor:
        cursor.execute(_SHOULD_IGNORE)
