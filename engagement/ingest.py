"""Ingest: from a request body to one committed inbox row and the ids of its events.

The row is the truth: it is committed before the answer. One statement decides: it checks that the
caller may still send, inserts the ids and then the row, so that of two senders of an id one is the
first. The other waits for that commit, for some milliseconds, then looks up which ids are known and
stores what is left. Ids are inserted in sorted order, so that no two requests wait for each
other in a circle. A crash before the commit leaves nothing (the client sends again), one after it
leaves a row that the beat finds even if nobody rings.
"""

import time
from contextlib import nullcontext
from datetime import UTC, datetime

import msgspec
from django.db import IntegrityError, connection, transaction
from msgspec import Struct

from engagement import doorbell, metrics, wire
from engagement.failures import UNIQUE_VIOLATION, sqlstate
from engagement.models import FACT_IDS_A_BATCH
from engagement.window import Events, Window
from promopulse.lib import context, sql
from promopulse.lib.direct import Statement
from promopulse.lib.strict_json import Unreadable

CONFLICT_WORDS = "An event with this id but other fields was accepted before."
LIMITED_WORDS = "Over the limit of {limit} events of one sender; try again in {wait} s."


class Outcome(Struct):
    """What became of a request's events. `batch_id` is None when nothing was new."""

    batch_id: int | None
    accepted: int
    duplicates: int
    rejected: list[wire.Rejected]


class CallerGone(Exception):
    """The key was revoked, or the person may not send events any more."""


class Caller(Struct, frozen=True):
    """Who sends: exactly one of a live API key or a person; `None` of both is the system."""

    key_id: int | None = None
    user_id: int | None = None
    token_version: int = 0

    @property
    def client(self) -> str:
        return f"key:{self.key_id}" if self.key_id else f"user:{self.user_id}"


SYSTEM = Caller()

_CALLER_MAY = """
    CASE
        WHEN %(key_id)s::bigint IS NOT NULL THEN EXISTS (
            SELECT FROM accounts_apikey WHERE id = %(key_id)s::bigint AND revoked_at IS NULL)
        WHEN %(user_id)s::bigint IS NOT NULL THEN EXISTS (
            SELECT FROM accounts_user WHERE id = %(user_id)s::bigint AND is_active
                AND role IN ('ops', 'admin') AND token_version = %(token_version)s::int)
        ELSE true
    END"""

# The ids first: where one is known, nothing more is done. With `on_conflict` the answer is no row
# instead of an error.
_STORE_TEXT = f"""
WITH caller AS MATERIALIZED (SELECT {_CALLER_MAY} AS may),
batch AS MATERIALIZED (
    SELECT nextval('engagement_ingestbatch_id_seq') AS id FROM caller WHERE may
),
ids AS (
    INSERT INTO engagement_processedevent (event_id, digest, fact_id)
    SELECT event.id COLLATE "C", event.digest, batch.id * {FACT_IDS_A_BATCH} + event.place
    FROM batch CROSS JOIN ROWS FROM (
        unnest(string_to_array(%(ids)s::text, ',')),
        unnest(string_to_array(%(digests)s::text, ',')::bigint[])
    ) WITH ORDINALITY AS event(id, digest, place)
    ORDER BY 1
    {{on_conflict}}
    RETURNING 1
),
stored AS (
    INSERT INTO engagement_ingestbatch (id, origin, client, request_id, received_at, accepted,
        body, attempts, processed, duplicates, conflicts, retrying, dead)
    SELECT id, 'api', %(client)s, %(request_id)s, %(received_at)s::timestamptz,
        %(accepted)s::int, %(body)s::text, 0, 0, 0, 0, 0, 0
    FROM batch WHERE (SELECT count(*) FROM ids) > 0
    RETURNING id
)
SELECT (SELECT may FROM caller)::text, (SELECT id FROM stored)::text
"""

_STORE_ONE = Statement("store_one", _STORE_TEXT.format(on_conflict="ON CONFLICT DO NOTHING"))
_STORE_MANY = Statement("store_many", _STORE_TEXT.format(on_conflict=""))

# By the index, whatever was known of the table when the plan was made.
_BY_INDEX = "SELECT set_config('enable_seqscan', 'off', true)"
_LOOK = f"""
SELECT ({_CALLER_MAY}), (
    SELECT jsonb_object_agg(event_id, digest)::text FROM engagement_processedevent
    WHERE event_id = ANY(string_to_array(%(ids)s::text, ',')))
"""


def ingest_body(
    body: bytes, *, ndjson: bool, caller: Caller = SYSTEM, window: Window | None = None
) -> Outcome:
    """Accept the events of a `{"events": [...]}` or NDJSON body.

    Raises Unreadable when the body makes no sense as a whole, CallerGone, and database errors.
    """
    events = wire.decode_all(body, ndjson=ndjson)
    if events is not None:
        _check_count(len(events))
        return ingest_events(list(enumerate(events)), rejected=[], caller=caller, window=window)
    good: list[tuple[int, wire.EventIn]] = []
    rejected: list[wire.Rejected] = []
    texts = wire.split(body, ndjson=ndjson)
    _check_count(len(texts))
    for index, text in enumerate(texts):
        try:
            good.append((index, wire.decode_one(text)))
        except Unreadable as error:
            shown = wire.shown_id(text)
            rejected.append(wire.Rejected(index, shown, "validation_error", str(error)))
    return ingest_events(good, rejected=rejected, caller=caller, window=window)


def _check_count(count: int) -> None:
    if not 1 <= count <= wire.MAX_EVENTS:
        raise Unreadable(f"1 to {wire.MAX_EVENTS} events are expected, {count} were sent")


def ingest_events(
    events: list[tuple[int, wire.EventIn]],
    *,
    rejected: list[wire.Rejected],
    caller: Caller,
    window: Window | None = None,
) -> Outcome:
    """Accept decoded events, each with its index in the request. Rings the doorbell.

    `window` limits each sender's new events; without one there is no limit.
    """
    now = datetime.now(UTC)
    fresh: Events = {}
    again: list[tuple[int, str]] = []
    for index, event in events:
        try:
            one = wire.accept(event, index, now)
        except (wire.Refusal, Unreadable) as error:
            rejected.append(wire.Rejected(index, event.event_id, "validation_error", str(error)))
            continue
        event_id = one.event.i
        first = fresh.setdefault(event_id, one)
        if first is one:
            continue
        if first.digest == one.digest:
            again.append((index, event_id))
        else:
            rejected.append(_conflict(index, event_id))
    outcome = Outcome(None, 0, len(again), rejected)
    if fresh:
        over = _accept(fresh, now, caller, window, outcome)
        if over and window:
            _refuse(over, again, window, outcome)
    if outcome.batch_id is not None:
        if connection.in_atomic_block:
            transaction.on_commit(doorbell.ring)
        else:
            doorbell.ring()
    rejected.sort(key=lambda one: one.index)
    metrics.ingested(outcome.accepted, outcome.duplicates, rejected)
    return outcome


# While ids come that are known, those of many events are looked for before they are stored in vain.
WARY_SECONDS = 10.0
_wary_until = 0.0


def _accept(
    fresh: Events, now: datetime, caller: Caller, window: Window | None, outcome: Outcome
) -> Events:
    """Store the events that are new and within the limit; gives those over it.

    Only new events count against the limit, but which are new is known after room was taken.
    """
    over = window.take(fresh) if window else {}
    try:
        if over or (len(fresh) > 1 and time.monotonic() < _wary_until):
            over = _leave_out_known(fresh, over, caller, window, outcome)
        # Each time round somebody else was the first with an id.
        while fresh and (batch_id := _store(fresh, now, caller)) is None:
            over = _leave_out_known(fresh, over, caller, window, outcome)
    except Exception:
        if window:
            window.give_back(fresh.values())
        raise
    if fresh:
        outcome.batch_id, outcome.accepted = batch_id, len(fresh)
    return over


def _leave_out_known(
    fresh: Events, over: Events, caller: Caller, window: Window | None, outcome: Outcome
) -> Events:
    """Take known events out and give their room to those over the limit; gives who still is."""
    known = _look([*fresh, *over], caller)
    if not known:
        return over
    repeated = _drop_known(known, fresh, over, outcome)
    if window and over:
        window.give_back([*fresh.values(), *repeated])
        fresh |= over
        return window.take(fresh)
    if window:
        window.give_back(repeated)
    return over


def _drop_known(
    known: dict[str, int], fresh: Events, over: Events, outcome: Outcome
) -> list[wire.Accepted]:
    """Take events that are known out of the others; gives those that had taken room."""
    repeated = []
    for event_id, digest in known.items():
        if event_id in fresh:
            one = fresh.pop(event_id)
            repeated.append(one)
        else:
            one = over.pop(event_id)
        if one.digest == digest:
            outcome.duplicates += 1
        else:
            outcome.rejected.append(_conflict(one.index, event_id))
    return repeated


def _refuse(over: Events, again: list[tuple[int, str]], window: Window, outcome: Outcome) -> None:
    """Reject the events over the limit, and what repeats them in the same request."""
    for one in over.values():
        outcome.rejected.append(_limited(one.index, one.event, window))
    for index, event_id in again:
        if event_id in over:
            outcome.duplicates -= 1
            outcome.rejected.append(_limited(index, over[event_id].event, window))


def _limited(index: int, stored: wire.StoredEvent, window: Window) -> wire.Rejected:
    words = LIMITED_WORDS.format(limit=window.limit, wait=window.retry_after(stored))
    return wire.Rejected(index, stored.i, "rate_limited", words)


def _conflict(index: int, event_id: str) -> wire.Rejected:
    return wire.Rejected(index, event_id, "event_conflict", CONFLICT_WORDS)


def _store(fresh: Events, now: datetime, caller: Caller) -> int | None:
    """Insert the inbox row with its ids; its id, or None where one of the events is known."""
    global _wary_until
    statement = _STORE_ONE if len(fresh) == 1 else _STORE_MANY
    try:
        # In a transaction of somebody else a failed statement must not take the rest with it.
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            may, batch_id = statement.fetch_one(
                {
                    **_told_of(caller),
                    "client": caller.client if caller != SYSTEM else "",
                    "request_id": context.request_id.get(),
                    "received_at": now.isoformat(),
                    "accepted": str(len(fresh)),
                    "body": wire.encode([one.event for one in fresh.values()]),
                    # No id holds a comma, and an array costs the client more than all the rest.
                    "ids": ",".join(fresh),
                    "digests": ",".join([str(one.digest) for one in fresh.values()]),
                }
            )
    except IntegrityError as error:
        if sqlstate(error) != UNIQUE_VIOLATION:
            raise
        _wary_until = time.monotonic() + WARY_SECONDS
        return None
    if may != "true":
        raise CallerGone()
    return int(batch_id) if batch_id else None


def _look(ids: list[str], caller: Caller) -> dict[str, int]:
    """Those of these ids that are known, with their digests. Raises CallerGone."""
    with transaction.atomic():
        sql.fetch_one(_BY_INDEX, {})
        may, known = sql.fetch_one(_LOOK, {**_told_of(caller), "ids": ",".join(ids)})
    if not may:
        raise CallerGone()
    digests: dict[str, int] = msgspec.json.decode(known or "{}")
    return digests


def _told_of(caller: Caller) -> dict[str, str | None]:
    return {
        "key_id": str(caller.key_id) if caller.key_id else None,
        "user_id": str(caller.user_id) if caller.user_id else None,
        "token_version": str(caller.token_version),
    }
