"""Replay: the letters' events go back to the inbox, judged against the rows as they are now."""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from engagement import doorbell
from engagement.letters import moves
from engagement.letters.plans import Plan, plan_of
from engagement.letters.selection import Selection, lock
from engagement.letters.states import ACTIONS
from promopulse.lib import context, plans, sql
from promopulse.lib.errors import Invalid, VersionConflict
from promopulse.lib.time import db_now

EVENTS_A_BATCH = 500
# Every claim steps over the batches whose time has not come, so there are never many of them.
MOST_BATCHES_IN_STEPS = 1_000
MAX_RATE = 10_000
# Each group is a lock in the server's shared table, which is not made for thousands.
MOST_GROUPS_APART = 50


class ReplayRunning(VersionConflict):
    """Somebody replays letters of this group at this moment. It passes: try again."""

    def __init__(self) -> None:
        super().__init__("Letters of this group are being replayed at this moment; look again.")


@dataclass(frozen=True)
class Replay:
    """What a replay did, or in a dry run would do. `seconds` is how long its rate spreads it."""

    plan: Plan
    seconds: float
    batches: list[int] = field(default_factory=list)


def replay(
    selection: Selection,
    *,
    sample: int | None = None,
    rate: int | None = None,
    dry_run: bool = False,
    reason: str = "",
    expect_plan: str | None = None,
    begin_at: datetime | None = None,
) -> Replay:
    """Send the events of open letters back to the inbox, the oldest first.

    `sample` is how many at most, `rate` events a second at most, `begin_at` when the first of them
    is due if not now. Raises Invalid, ReplayRunning,
    and PlanChanged when `expect_plan` is not the hash of what would be replayed.
    """
    reason = moves.clean_reason(reason)
    _check_limits(sample, rate)
    source, target = ACTIONS["replay"].source, ACTIONS["replay"].target
    picked = selection.pick(source, sample)
    if dry_run:
        plan = plan_of("replay", picked, selection)
        plans.must_be(plan, expect_plan)
        return Replay(plan, _steps(plan.count, rate)[1])
    with transaction.atomic():
        if picked:
            _hold_groups(picked)
        plan = plan_of("replay", lock(picked, source), selection)
        plans.must_be(plan, expect_plan)
        if not plan.ids:
            return Replay(plan, 0)
        moves.move(plan.ids, target)
        size, seconds = _steps(plan.count, rate)
        batches = _write_batches(plan.ids, size, rate, begin_at)
        more = {"sample": sample, "rate": rate, "batches": len(batches)}
        moves.write_down(plan, selection, reason, **more)
        transaction.on_commit(doorbell.ring)
    return Replay(plan, seconds, batches)


def _check_limits(sample: int | None, rate: int | None) -> None:
    if sample is not None and sample < 1:
        raise Invalid("sample", "A sample has one letter or more.")
    if rate is not None and not 1 <= rate <= MAX_RATE:
        raise Invalid("rate", f"A rate is 1 to {MAX_RATE} events a second.")


_HOLD = """
SELECT pg_try_advisory_xact_lock_shared(hashtextextended('dead letters', 0))
    AND (SELECT bool_and(pg_try_advisory_xact_lock(hashtextextended('dead letters of ' || name, 0)))
        FROM unnest(%(groups)s::text[]) AS wanted(name))
"""
_HOLD_ALL = "SELECT pg_try_advisory_xact_lock(hashtextextended('dead letters', 0))"

_GROUPS = """
SELECT DISTINCT fingerprint FROM engagement_deadletterevent
WHERE id = ANY(%(ids)s::bigint[]) LIMIT %(most)s
"""


def _hold_groups(ids: list[int]) -> None:
    """One replay of a group at a time. Raises ReplayRunning instead of waiting for another."""
    found = sql.fetch_all(_GROUPS, {"ids": ids, "most": MOST_GROUPS_APART + 1})
    if len(found) > MOST_GROUPS_APART:
        (held,) = sql.fetch_one(_HOLD_ALL, {})
    else:
        (held,) = sql.fetch_one(_HOLD, {"groups": sorted(name for (name,) in found)})
    if not held:
        raise ReplayRunning()


def _steps(count: int, rate: int | None) -> tuple[int, float]:
    """Events a batch, and the seconds until the last batch is due: one a second as a rule."""
    if rate is None:
        return EVENTS_A_BATCH, 0.0
    size = min(EVENTS_A_BATCH, max(rate, math.ceil(count / MOST_BATCHES_IN_STEPS)))
    return size, (math.ceil(count / size) - 1) * size / rate if count else 0.0


# A batch that may not start yet looks like one that somebody else has claimed: it waits until its
# lease lapses.
_WRITE = """
INSERT INTO engagement_ingestbatch (origin, client, request_id, received_at, accepted, body,
    attempts, leased_until, processed, duplicates, conflicts, retrying, dead)
SELECT 'replay', %(client)s, %(request_id)s, due.at, step.accepted, step.body,
    0, CASE WHEN due.at > clock_timestamp() THEN due.at END, 0, 0, 0, 0, 0
FROM (
    SELECT (picked.place - 1) / %(size)s::int AS number, count(*) AS accepted,
        jsonb_agg(letter.payload ORDER BY picked.place)::text AS body
    FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS picked(id, place)
    JOIN engagement_deadletterevent letter ON letter.id = picked.id
    GROUP BY 1
) step
CROSS JOIN LATERAL (SELECT %(now)s::timestamptz + step.number * %(pause)s::interval AS at) due
ORDER BY step.number
RETURNING id
"""


def _write_batches(
    ids: list[int], size: int, rate: int | None, begin_at: datetime | None
) -> list[int]:
    """Put the letters' events into the inbox, `size` a batch; gives the batches' ids."""
    actor = context.actor.get()
    now: datetime = begin_at or db_now()
    written = sql.fetch_all(
        _WRITE,
        {
            "ids": ids,
            "size": size,
            "pause": timedelta(seconds=size / rate if rate else 0),
            "now": now,
            "client": f"user:{actor.user_id}" if actor.user_id else "",
            "request_id": context.request_id.get(),
        },
    )
    return sorted(row for (row,) in written)
