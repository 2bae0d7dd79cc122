"""Idempotency-Key: the first answer, stored with its effect, is answered again byte for byte.

Which row is the truth: `IdempotencyRecord`, unique by client, operation and key.
Which statement decides: `pg_try_advisory_xact_lock` on that triple. Who has it looks for the
record; a record is answered, none means that the effect is ours to make. Who has it not is told
409 at once instead of waiting. Lock order: this lock comes before every other of a request.
A crash anywhere before the commit leaves neither effect nor record; after it, both.
The idea and its words: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

Two ways there. `once` runs anything in a transaction with its record. An effect that is one
statement and that others wait for (a budget) is noted by that very statement (`noted`), so nobody
waits while its answer is made, encrypted and stored (`keep`). A crash in between leaves a record
without its answer, which is made again from the row that it names.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import HttpRequest, HttpResponse

from accounts.errors import IdempotencyInProgress, IdempotencyKeyReused
from accounts.models import IdempotencyRecord
from promopulse.lib.direct import Statement
from promopulse.lib.errors import DomainError, Invalid
from promopulse.lib.problems import problem_for
from promopulse.lib.time import ClockTimestamp

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
OPERATION_LENGTH = 128
KEY = re.compile(r"[\x20-\x7e]{1,255}")

# A refusal is stored when it tells of the state. One that tells of the request alone, of the
# caller, or that passes by itself is not: the same request may succeed later.
_STATE_STATUSES = frozenset({409, 410, 422})
_PASSING = frozenset({"version_conflict", "concurrent_redemption"})


class NotOurs(Exception):
    """The key is in use or was used: nothing was done. `once` finds out and answers."""


@dataclass(frozen=True)
class Claim:
    """A request that would be the first under its key."""

    client: str
    operation: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, request: HttpRequest, client: str, key: str) -> "Claim":
        return cls(client, _operation(request), key, _fingerprint(request))

    @cached_property
    def lock(self) -> int:
        name = f"{self.client}\0{self.operation}\0{self.key}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)

    def params(self, status: int) -> dict[str, str]:
        """For a statement with FREE and `noted`; `status` is that of the answer to come."""
        return {
            "claim_lock": str(self.lock),
            "claim_client": self.client,
            "claim_operation": self.operation,
            "claim_key": self.key,
            "claim_hmac": f"\\x{self.fingerprint.hex()}",
            "claim_status": str(status),
        }


_MINE = """client = %(claim_client)s AND operation = %(claim_operation)s AND key = %(claim_key)s"""

# SQL that lets an effect through where its key is free. Whoever committed after this statement had
# begun to look is found by the record's unique index, which undoes the effect.
FREE = f"""pg_try_advisory_xact_lock(%(claim_lock)s::bigint)
    AND NOT EXISTS (SELECT FROM accounts_idempotencyrecord WHERE {_MINE})"""
UNIQUE = "accounts_idempotencyrecord_once"


def noted(effect: str) -> str:
    """SQL that notes the row of the CTE `effect` under the key, whose answer follows."""
    return f"""INSERT INTO accounts_idempotencyrecord (client, operation, key, request_hmac,
            status, content_type, subject_id, created_at)
        SELECT %(claim_client)s, %(claim_operation)s, %(claim_key)s, %(claim_hmac)s::bytea,
            %(claim_status)s::smallint, 'application/json', id, clock_timestamp() FROM {effect}"""


_KEEP = Statement(
    "keep_answer",
    f"""UPDATE accounts_idempotencyrecord SET body = %(body)s::bytea
        WHERE {_MINE} AND body IS NULL RETURNING id::text""",
)


def keep(claim: Claim, answer: HttpResponse) -> None:
    """Store the answer to an effect that was noted. Nothing is lost if that fails."""
    body: Any = IdempotencyRecord._meta.get_field("body")
    with suppress(DatabaseError, InterfaceError):
        _KEEP.fetch(
            {
                "body": f"\\x{body.fernet.encrypt(answer.content).hex()}",
                "claim_client": claim.client,
                "claim_operation": claim.operation,
                "claim_key": claim.key,
            }
        )


def once(
    claim: Claim,
    request: HttpRequest,
    act: Callable[[], HttpResponse],
    recall: Callable[[int], bytes] | None = None,
) -> HttpResponse:
    """Run `act` unless this key was answered before; then give that answer.

    `act` returns a rendered 2xx answer or raises; `recall` makes the body of an answer that was not
    stored, from the id of what was done. Raises IdempotencyInProgress, IdempotencyKeyReused and
    whatever `act` raises.
    """
    with transaction.atomic():
        if not _try_lock(claim.lock):
            raise IdempotencyInProgress()
        known = IdempotencyRecord.objects.filter(
            client=claim.client,
            operation=claim.operation,
            key=claim.key,
            created_at__gt=ClockTimestamp() - settings.IDEMPOTENCY_RETENTION,
        ).first()
        if known:
            return _replay(known, claim.fingerprint, recall)
        try:
            with transaction.atomic():
                response = act()
        except DomainError as refusal:
            problem = problem_for(refusal, request)
            if problem is None or not _tells_of_state(refusal):
                raise
            response = problem
        record = IdempotencyRecord(
            client=claim.client,
            operation=claim.operation,
            key=claim.key,
            request_hmac=claim.fingerprint,
            status=response.status_code,
            content_type=response.headers["Content-Type"],
            body=response.content.decode(),
            subject_id=None,
        )
        # Over an answer that is past its retention, if there is one.
        IdempotencyRecord.objects.bulk_create(
            [record],
            update_conflicts=True,
            unique_fields=["client", "operation", "key"],
            update_fields=[
                *("request_hmac", "status", "content_type", "body", "subject_id", "created_at")
            ],
        )
        return response


def _tells_of_state(refusal: DomainError) -> bool:
    if isinstance(refusal, Invalid) or refusal.code == "validation_error":
        return False
    return refusal.status in _STATE_STATUSES and refusal.code not in _PASSING


def _operation(request: HttpRequest) -> str:
    operation = f"{request.method} {request.path}"
    if len(operation) > OPERATION_LENGTH:
        operation = f"{request.method} {hashlib.sha256(request.path.encode()).hexdigest()}"
    return operation


def _fingerprint(request: HttpRequest) -> bytes:
    """What makes two requests the same: the query and the bytes of the body.

    A form with files is sent with a new random boundary each time, so that is left out.
    """
    body = request.body
    if request.content_type == "multipart/form-data":
        body = body.replace((request.content_params or {}).get("boundary", "").encode(), b"")
    text = request.META.get("QUERY_STRING", "").encode() + b"\0" + body
    return hmac.digest(settings.IDEMPOTENCY_KEY_SECRET.encode(), text, "sha256")


def _try_lock(number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _replay(
    record: IdempotencyRecord, fingerprint: bytes, recall: Callable[[int], bytes] | None
) -> HttpResponse:
    if not hmac.compare_digest(bytes(record.request_hmac), fingerprint):
        raise IdempotencyKeyReused()
    body: Any = record.body
    if body is None and recall is not None:
        body = recall(record.subject_id or 0).decode()
        record.body = body
        record.save(update_fields=["body"])
    return HttpResponse(
        str(body).encode(),
        status=record.status,
        content_type=record.content_type,
        headers={REPLAYED: "true"},
    )
