"""Idempotency-Key: the first answer, stored with its effect, is answered again byte for byte.

Which row is the truth: `IdempotencyRecord`, unique by client, operation and key.
Which statement decides: `pg_try_advisory_xact_lock` on that triple. Who has it looks for the
record; a record is answered, none means that the effect is ours to make. Who has it not is told
409 at once instead of waiting. Lock order: this lock comes before every other of a request.
A crash anywhere before the commit leaves neither effect nor record; after it, both.
The idea and its words: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import hmac
import re
from collections.abc import Callable

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from accounts.errors import IdempotencyInProgress, IdempotencyKeyReused
from accounts.models import IdempotencyRecord
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


def once(
    request: HttpRequest, client: str, key: str, act: Callable[[], HttpResponse]
) -> HttpResponse:
    """Run `act` unless this key was answered before; then give that answer.

    `act` returns a rendered 2xx answer or raises. Raises IdempotencyInProgress,
    IdempotencyKeyReused and whatever `act` raises.
    """
    operation = _operation(request)
    with transaction.atomic():
        if not _try_lock(f"{client}\0{operation}\0{key}"):
            raise IdempotencyInProgress()
        fingerprint = _fingerprint(request)
        known = IdempotencyRecord.objects.filter(
            client=client,
            operation=operation,
            key=key,
            created_at__gt=ClockTimestamp() - settings.IDEMPOTENCY_RETENTION,
        ).first()
        if known:
            return _replay(known, fingerprint)
        try:
            with transaction.atomic():
                response = act()
        except DomainError as refusal:
            problem = problem_for(refusal, request)
            if problem is None or not _tells_of_state(refusal):
                raise
            response = problem
        record = IdempotencyRecord(
            client=client,
            operation=operation,
            key=key,
            request_hmac=fingerprint,
            status=response.status_code,
            content_type=response.headers["Content-Type"],
            body=response.content.decode(),
        )
        # Over an answer that is past its retention, if there is one.
        IdempotencyRecord.objects.bulk_create(
            [record],
            update_conflicts=True,
            unique_fields=["client", "operation", "key"],
            update_fields=["request_hmac", "status", "content_type", "body", "created_at"],
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


def _try_lock(name: str) -> bool:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _replay(record: IdempotencyRecord, fingerprint: bytes) -> HttpResponse:
    if not hmac.compare_digest(bytes(record.request_hmac), fingerprint):
        raise IdempotencyKeyReused()
    return HttpResponse(
        record.body.encode(),
        status=record.status,
        content_type=record.content_type,
        headers={REPLAYED: "true"},
    )
