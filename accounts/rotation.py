"""Moving encrypted columns to the newest of FERNET_KEYS, so that an older key can be thrown away.

Every row is readable at every moment: a token is replaced by another one of the same value, in one
statement, and only while it still is the token that was read. So a run may be killed, repeated, or
meet people who edit the same rows. Values are never seen here: a token tells by its signature
whose it is, and `MultiFernet.rotate` makes the new one of it.
"""

import base64
import binascii
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from fernet_fields.fields import EncryptedField

from promopulse.lib import sql
from promopulse.lib.progress import Told, Walk

ROWS = 500
# Who edits a row between our look and our statement has made a new token; then we look again.
LOOKS = 5

_SIGNATURE_BYTES = 32


class Column(NamedTuple):
    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass
class Tally:
    """What became of the tokens of one column; `unreadable` are the ids of rows no key opens."""

    column: str
    tokens: int = 0
    old: int = 0
    rotated: int = 0
    unreadable: list[int] = field(default_factory=list)


class Keys:
    """The keys as the encrypted fields derive them from FERNET_KEYS, newest first."""

    def __init__(self, derived: list[bytes]) -> None:
        self._signing_key = base64.urlsafe_b64decode(derived[0])[:16]
        self._all = MultiFernet([Fernet(key) for key in derived])

    def is_newest(self, token: bytes) -> bool:
        """Whether the newest key made this token, by its signature.

        https://github.com/fernet/spec/blob/master/Spec.md: the last 32 bytes are an HMAC of the
        rest under the first half of the key.
        """
        try:
            signed = base64.urlsafe_b64decode(token)
        except binascii.Error:
            return False
        text, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
        return hmac.compare_digest(hmac.digest(self._signing_key, text, "sha256"), signature)

    def rotate(self, token: bytes) -> bytes:
        """The same value under the newest key. Raises InvalidToken when no key opens it."""
        return self._all.rotate(token)


def encrypted_columns() -> dict[Column, Keys]:
    """Every encrypted column of every app."""
    return {
        Column(model._meta.db_table, each.column): Keys(each.fernet_keys)
        for model in apps.get_models()
        for each in model._meta.local_fields
        if isinstance(each, EncryptedField)
    }


def count(column: Column, keys: Keys) -> Tally:
    """How many tokens are not the newest key's, and which of those no key opens."""
    tally = Tally(str(column))
    for chunk in _chunks(column):
        _judge(chunk, keys, tally)
    return tally


def last_row(column: Column) -> int:
    (row,) = sql.fetch_one(f"SELECT coalesce(max(id), 0) FROM {column.table}", {})
    return int(row)


def rotate(column: Column, keys: Keys, walk: Walk, told: Told) -> Tally:
    """Bring a column's tokens under the newest key, telling the progress of the walk."""
    tally = Tally(str(column))
    for chunk in _chunks(column):
        old = _judge(chunk, keys, tally)
        for _ in range(LOOKS):
            if not old:
                break
            changed = _replace(column, old)
            tally.rotated += len(changed)
            old = _judge(_again(column, old.keys() - changed), keys, Tally(str(column)))
        walk.position = max(chunk)
        told(tally.tokens)
    return tally


class _Token(NamedTuple):
    old: bytes
    new: bytes


def _judge(chunk: dict[int, bytes], keys: Keys, tally: Tally) -> dict[int, _Token]:
    """The tokens that are an older key's, with the ones that replace them."""
    found = {}
    for row, token in chunk.items():
        tally.tokens += 1
        if keys.is_newest(token):
            continue
        tally.old += 1
        try:
            found[row] = _Token(token, keys.rotate(token))
        except InvalidToken:
            tally.unreadable.append(row)
    return found


def _chunks(column: Column) -> Iterator[dict[int, bytes]]:
    """The tokens of a column by the ids of their rows, some at a time."""
    text = f"""
        SELECT id, {column.name} FROM {column.table}
        WHERE id > %(after)s::bigint AND {column.name} IS NOT NULL ORDER BY id LIMIT {ROWS}
    """
    after = 0
    while rows := sql.fetch_all(text, {"after": after}):
        after = rows[-1][0]
        yield dict(rows)


def _again(column: Column, rows: set[int]) -> dict[int, bytes]:
    text = f"""
        SELECT id, {column.name} FROM {column.table}
        WHERE id = ANY(%(rows)s::bigint[]) AND {column.name} IS NOT NULL
    """
    return dict(sql.fetch_all(text, {"rows": sorted(rows)})) if rows else {}


def _replace(column: Column, tokens: dict[int, _Token]) -> set[int]:
    """Put the new tokens where the old ones still are; the rows where they were.

    Rows are locked in the order of their ids, as everywhere.
    """
    text = f"""
        WITH token AS (
            SELECT * FROM unnest(%(ids)s::bigint[], %(old)s::bytea[], %(new)s::bytea[])
                AS token(id, old, new)
        ),
        held AS MATERIALIZED (
            SELECT row.id FROM {column.table} row JOIN token USING (id)
            WHERE row.{column.name} = token.old ORDER BY row.id FOR NO KEY UPDATE OF row
        )
        UPDATE {column.table} row SET {column.name} = token.new
        FROM token JOIN held USING (id)
        WHERE row.id = token.id AND row.{column.name} = token.old
        RETURNING row.id
    """
    params: dict[str, Any] = {
        "ids": list(tokens),
        "old": [token.old for token in tokens.values()],
        "new": [token.new for token in tokens.values()],
    }
    return {row for (row,) in sql.fetch_all(text, params)}
