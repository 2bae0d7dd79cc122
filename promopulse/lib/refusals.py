"""Refusals that the database itself speaks: raised by a trigger, heard as a DomainError.

The problem code travels as the constraint's name, its numbers as JSON in DETAIL, so that raw SQL,
the admin and the API are refused by one statement with one set of words.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
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
        refusal = refusal_of(error)
        if refusal is None or refusal.code not in known:
            raise
        raise known[refusal.code](**refusal.params) from None


@dataclass(frozen=True)
class Refusal:
    """What a trigger refused: the problem code and its numbers."""

    code: str
    params: dict[str, Any]


def refusal_of(error: BaseException) -> Refusal | None:
    """What a trigger refused with this error; None where it was another constraint."""
    diagnostic = getattr(error.__cause__, "diag", None)
    code = getattr(diagnostic, "constraint_name", None) or ""
    if code not in REASONS:
        return None
    return Refusal(code, _params(getattr(diagnostic, "message_detail", None)))


def _params(detail: str | None) -> dict[str, Any]:
    # A unique index refuses with a sentence of its own.
    params: dict[str, Any] = json.loads(detail) if detail and detail.startswith("{") else {}
    return params
