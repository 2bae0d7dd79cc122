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
from promopulse.lib.errors import DomainError
from promopulse.lib.problems import problem_for
from promopulse.lib.time import ClockTimestamp

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY = re.compile(r"[\x20-\x7e]{1,255}")

# Refusals that say nothing about the state, or pass: the same request may succeed later.
_NOT_STORED = frozenset(
    "validation_error not_found permission_denied not_authenticated rate_limited malformed "
    "unavailable internal_error version_conflict concurrent_redemption".split()
)


def once(
    request: HttpRequest, client: str, key: str, body: bytes, act: Callable[[], HttpResponse]
) -> HttpResponse:
    """Run `act` unless this key was answered before; then give that answer.

    `act` returns a rendered 2xx answer or raises. Raises IdempotencyInProgress,
    IdempotencyKeyReused and whatever `act` raises.
    """
    operation = f"{request.method} {request.path}"[:128]
    with transaction.atomic():
        if not _try_lock(f"{client}\0{operation}\0{key}"):
            raise IdempotencyInProgress()
        fingerprint = hmac.digest(settings.IDEMPOTENCY_KEY_SECRET.encode(), body, "sha256")
        known = (
            IdempotencyRecord.objects.filter(client=client, operation=operation, key=key)
            .filter(created_at__gt=ClockTimestamp() - settings.IDEMPOTENCY_RETENTION)
            .first()
        )
        if known:
            return _replay(known, fingerprint)
        try:
            with transaction.atomic():
                response = act()
        except DomainError as refusal:
            if refusal.code in _NOT_STORED:
                raise
            problem = problem_for(refusal, request)
            assert problem is not None
            response = problem
        IdempotencyRecord.objects.update_or_create(
            client=client,
            operation=operation,
            key=key,
            defaults={
                "request_hmac": fingerprint,
                "status": response.status_code,
                "content_type": response.headers["Content-Type"],
                "body": response.content.decode(),
                "created_at": ClockTimestamp(),
            },
        )
        return response


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
