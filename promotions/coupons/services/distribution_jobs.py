"""Large distributions, and taking them back, as jobs.

Each is one step: what it does is all of the plan or none of it, so it stays the one transaction of
`distributing`, which is also the job's. A worker that dies leaves nothing of it, and the next one
begins anew; progress goes from nothing to all. What was confirmed is the plan's hash, and that is
what is done: a pool, a book or a person that changed meanwhile ends the job with PlanChanged.
"""

from typing import Any

from accounts import jobs
from accounts.models import Job
from promotions.coupons.errors import ConcurrentRedemption
from promotions.coupons.models import Distribution
from promotions.coupons.services import distributing
from promotions.coupons.services.batch_jobs import may
from promotions.coupons.services.distributing import Plan

DISTRIBUTE, UNDO = "distribute", "undo_distribution"


def start(plan: Plan, asked: dict[str, Any], *, names: str, reason: str = "") -> Job:
    """Let a worker do a plan; `asked` are the arguments of `distribute` that it came of, `names`
    says what is given to whom."""
    return jobs.start(
        DISTRIBUTE,
        title=f"Give {plan.count:,} coupons of {names}, all at once",
        params={
            "pool_id": plan.pool_id,
            "asked": asked | {"seed": plan.seed},
            "plan": plan.hash,
            "reason": reason,
        },
        total=plan.count,
        once=f"{DISTRIBUTE}:{plan.hash}",
    )


def start_undo(distribution: Distribution, *, reason: str = "") -> Job:
    """Let a worker take all of a distribution back."""
    return jobs.start(
        UNDO,
        title=f"Take {distribution.assigned:,} coupons of {distribution.book} back, all at once",
        params={"distribution_id": distribution.pk, "reason": reason},
        total=distribution.assigned,
        once=f"{UNDO}:{distribution.pk}",
    )


def distribute(job: Job) -> bool:
    """All of it. Raises what `distributing.distribute` raises, and PermissionDenied."""
    jobs.still_may(job)
    asked = job.params
    try:
        done = distributing.distribute(
            asked["pool_id"], **asked["asked"], expect_plan=asked["plan"], reason=asked["reason"]
        )
    except ConcurrentRedemption as held:
        raise jobs.Later from held
    assert done.distribution is not None
    return _told(job, done.distribution)


def undo(job: Job) -> bool:
    """All of it. Raises what `distributing.undo` raises, and PermissionDenied."""
    jobs.still_may(job)
    try:
        undone = distributing.undo(job.params["distribution_id"], reason=job.params["reason"])
    except ConcurrentRedemption as held:
        raise jobs.Later from held
    return _told(job, undone)


def _told(job: Job, found: Distribution) -> bool:
    job.done = found.assigned
    job.result = {
        "distribution_id": found.pk,
        "coupons": found.assigned,
        "people": found.users,
    }
    return False


def register() -> None:
    jobs.register(jobs.Kind(DISTRIBUTE, distribute, may=may))
    jobs.register(jobs.Kind(UNDO, undo, may=may))
