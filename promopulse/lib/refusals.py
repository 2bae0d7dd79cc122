"""Refusals that the database itself speaks: raised by a trigger, heard as a DomainError.

The problem code travels as the constraint's name, its numbers as JSON in DETAIL, so that raw SQL,
the admin and the API are refused by one statement with one set of words.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import IntegrityError, connection, transaction

from promopulse.lib.errors import REASONS, DomainError


def refuse(code: str, **params: str) -> str:
    """PL/pgSQL that refuses with this code; `params` maps each number's name to its SQL."""
    numbers = ", ".join(f"'{name}', {sql}" for name, sql in params.items())
    title = REASONS[code].title.replace("'", "''")
    return (
        f"RAISE EXCEPTION '{title}' USING ERRCODE = 'check_violation', CONSTRAINT = '{code}', "
        f"DETAIL = jsonb_build_object({numbers})::text;"
    )


@contextmanager
def heard(*kinds: type[DomainError]) -> Iterator[None]:
    """Raise what a trigger refused as the one of `kinds` that has its code.

    A transaction that is under way goes on after it: what was refused is undone alone.
    """
    known = {kind.code: kind for kind in kinds}
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            yield
    except IntegrityError as error:
        diagnostic = getattr(error.__cause__, "diag", None)
        kind = known.get(getattr(diagnostic, "constraint_name", None) or "")
        if kind is None:
            raise
        raise kind(**_params(getattr(diagnostic, "message_detail", None))) from None


def _params(detail: str | None) -> dict[str, Any]:
    # A unique index refuses with a sentence of its own.
    params: dict[str, Any] = json.loads(detail) if detail and detail.startswith("{") else {}
    return params
