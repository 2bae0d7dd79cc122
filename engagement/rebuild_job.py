"""The check of the stats, and their rebuild, as jobs: planned first, done by a worker."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts import audit, jobs
from accounts.jobs.services import UNDONE
from accounts.models import Job
from engagement.rebuild import rebuild
from promopulse.lib import plans, sql

CHECK, REBUILD = "stats_check", "stats_rebuild"
# Both read all facts while counting waits: one at a time is enough.
ONCE = "stats"
TITLES = {CHECK: "Check the stats against the facts", REBUILD: "Rebuild the stats"}

# Never a count: what the database's own statistics say of every month.
_ESTIMATE = """
SELECT coalesce(sum(greatest(pg_class.reltuples, 0)), 0)::bigint
FROM pg_partition_tree('engagement_event') part JOIN pg_class ON pg_class.oid = part.relid
WHERE part.isleaf
"""


@dataclass(frozen=True)
class StatsPlan:
    """A look at all facts, that only compares (CHECK) or also mends (REBUILD).

    `last` is the latest job of either kind that is done, `busy` one that is not. A rebuild that
    was planned on one finding is not done on another.
    """

    kind: str
    facts: int
    last: Job | None
    busy: Job | None

    @property
    def count(self) -> int:
        return int(self.busy is None)

    @property
    def hash(self) -> str:
        rows = [one and one.pk for one in (self.last, self.busy)]
        return plans.digest(self.kind, *rows)

    @property
    def found(self) -> tuple[datetime, int] | None:
        """When the stats were last compared, and how many rows were wrong then."""
        if self.last is None or self.last.finished_at is None:
            return None
        return self.last.finished_at, int(self.last.result["wrong"])


def plan(kind: str) -> StatsPlan:
    known = Job.objects.filter(kind__in=TITLES).order_by("-pk")
    estimate = sql.fetch_one(_ESTIMATE, {})
    return StatsPlan(
        kind,
        facts=int(estimate[0]) if estimate else 0,
        last=known.filter(state=Job.State.DONE).first(),
        busy=known.filter(state__in=UNDONE).first(),
    )


def start(made: StatsPlan, *, expect_plan: str | None, reason: str = "") -> Job:
    """Let a worker do what was planned: two who ask at the same moment have one job of it.

    Raises PlanChanged, also where the other one wants the other kind.
    """
    plans.must_be(made, expect_plan)
    params = {"reason": reason}
    job = jobs.start(made.kind, title=TITLES[made.kind], params=params, total=1, once=ONCE)
    if job.kind != made.kind:
        raise plans.changed(plan(made.kind))
    return job


def step(job: Job) -> bool:
    """All of it at once: the facts are compared as they are at one moment, while counting waits."""
    only_look = job.kind == CHECK
    drift = rebuild(check_only=only_look)
    found: dict[str, Any] = {
        "wrong": drift.total,
        "counts": drift.cells,
        "numbers_of_people": drift.user_totals,
        "people": drift.users,
    }
    if drift.total and not only_look:
        audit.record("stats.rebuild", job, after=found, reason=job.params["reason"])
    job.done, job.result = 1, found | {"mended": 0 if only_look else drift.total}
    return False


def register() -> None:
    def may(user: Any, _job: Job) -> bool:
        return bool(user.has_perm("engagement.change_eventstat"))

    for kind, words in TITLES.items():
        jobs.register(jobs.Kind(kind, words, step, may=may))
