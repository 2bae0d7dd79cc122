"""Claiming: who works on which inbox rows, for how long."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.conf import settings
from django.db import OperationalError, connection

from engagement.failures import sqlstate
from engagement.processing import outage
from promopulse.lib import context, sql

# Rows of the oldest first, until they hold enough events; one row is taken whatever it holds. A
# row that was claimed before and came back is taken alone: it may be what killed its worker.
# Requests and replays are counted by different statements, so they do not share a claim.
_CLAIM = """
WITH waiting AS MATERIALIZED (
    SELECT id, accepted, attempts, origin FROM engagement_ingestbatch
    WHERE processed_at IS NULL
        AND (leased_until IS NULL OR leased_until < clock_timestamp())
    ORDER BY id LIMIT %(rows)s
    FOR UPDATE SKIP LOCKED
),
ranked AS (
    SELECT id, attempts, row_number() OVER (ORDER BY id) AS place,
        sum(accepted) OVER (ORDER BY id) AS events,
        bool_or(attempts > 0) OVER (ORDER BY id) AS troubled,
        origin = first_value(origin) OVER (ORDER BY id) AS alike
    FROM waiting
),
chosen AS (
    SELECT id FROM ranked WHERE place = 1 OR (events <= %(events)s AND alike AND NOT troubled)
)
UPDATE engagement_ingestbatch batch SET
    attempts = batch.attempts + 1,
    lease_token = %(token)s::uuid,
    leased_until = clock_timestamp() + %(lease)s::interval
FROM chosen WHERE batch.id = chosen.id
RETURNING batch.id, batch.attempts, batch.origin = 'replay', (SELECT count(*) FROM waiting)
"""

# The time a statement may take is set here to save a round trip; it ends with the transaction.
_HOLD = """
SELECT id, accepted, received_at, request_id, origin,
    set_config('statement_timeout', %(timeout)s, true)
FROM engagement_ingestbatch
WHERE id = ANY(%(rows)s::bigint[]) AND lease_token = %(token)s::uuid AND processed_at IS NULL
ORDER BY id FOR UPDATE
"""

_RELEASE = """
UPDATE engagement_ingestbatch SET
    attempts = greatest(attempts - 1, 0), lease_token = NULL, leased_until = NULL
WHERE lease_token = %(token)s::uuid AND processed_at IS NULL
RETURNING id
"""


@dataclass(frozen=True)
class Claim:
    """Inbox rows that are ours while the token stands: requests, or replays of dead letters.

    `attempts` is how often they were claimed, this time included; `more` says that others wait.
    """

    rows: list[int]
    token: uuid.UUID
    attempts: int
    replays: bool
    more: bool


def claim() -> Claim | None:
    """Take waiting rows, in a transaction of its own. None when there are none.

    Raises database errors.
    """
    context.request_ids.set(())  # those of the rows before
    token = uuid.uuid4()
    connection.ensure_connection()
    try:
        taken = sql.fetch_all(
            _CLAIM,
            {
                "rows": settings.INBOX_ROWS_PER_TRANSACTION,
                "events": settings.INBOX_EVENTS_PER_TRANSACTION,
                "lease": settings.INBOX_LEASE,
                "token": token,
            },
        )
    except OperationalError as error:
        if sqlstate(error) is None:  # the connection broke: they may be claimed all the same
            outage.give_back(partial(_release, token))
        raise
    if not taken:
        return None
    rows = sorted(row for row, *_ in taken)
    _, attempts, replays, waiting = taken[0]
    return Claim(rows, token, attempts=attempts, replays=replays, more=waiting > len(rows))


class Held(NamedTuple):
    """A claimed row that is locked: how many events it holds, and where they came from."""

    events: int
    received_at: datetime
    request_id: str
    origin: str


def hold(claim: Claim) -> dict[int, Held]:
    """Lock, inside the processing transaction, the claimed rows that are still ours."""
    milliseconds = str(int(settings.PROCESSING_TIMEOUT.total_seconds() * 1000))
    held = sql.fetch_all(_HOLD, {"rows": claim.rows, "token": claim.token, "timeout": milliseconds})
    return {row: Held(*found) for row, *found, _ in held}


def release(claim: Claim) -> None:
    """Give the rows back as if they had not been claimed: it was not their fault."""
    _release(claim.token)


def _release(token: uuid.UUID) -> None:
    sql.fetch_all(_RELEASE, {"token": token})
