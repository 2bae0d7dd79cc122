"""Large distributions, and taking them back, as jobs.

Each is one step: what it does is all of the plan or none of it, so it stays the one transaction of
`distributing`, which is also the job's. A worker that dies leaves nothing of it, and the next one
begins anew; progress goes from nothing to all. What was confirmed is the plan's hash, and that is
what is done: a pool, a book or a person that changed meanwhile ends the job with PlanChanged.
"""

from typing import Any

from accounts import jobs
from accounts.models import Job, Pool
from promopulse.lib import plans
from promopulse.lib.words import plural
from promotions.coupons.errors import ConcurrentRedemption
from promotions.coupons.models import CouponBook, Distribution
from promotions.coupons.services import distributing
from promotions.coupons.services.batch_jobs import may
from promotions.coupons.services.distributing import Plan

DISTRIBUTE, UNDO = "distribute", "undo_distribution"


def carry_out(
    pool_id: int, *, expect_plan: str, reason: str = "", **asked: Any
) -> Distribution | Job:
    """Do the plan that was confirmed: at once, or where it is large by a job.

    `asked` as in `distributing.distribute`, whose refusals it raises.
    """
    plan = distributing.distribute(pool_id, **asked, dry_run=True).plan
    if jobs.is_large(plan.count):
        plans.must_be(plan, expect_plan)
        return _start(plan, asked, reason)
    done = distributing.distribute(pool_id, **asked, expect_plan=expect_plan, reason=reason)
    assert done.distribution is not None
    return done.distribution


def take_back(distribution: Distribution, *, reason: str = "") -> Distribution | Job:
    """Take all of it back: at once, or where it is large by a job.

    Raises what `distributing.undo` raises.
    """
    if jobs.is_large(distribution.assigned) and distribution.undone_at is None:
        return _start_undo(distribution, reason)
    return distributing.undo(distribution.pk, reason=reason)


def _start(plan: Plan, asked: dict[str, Any], reason: str) -> Job:
    book, pool = CouponBook.objects.get(pk=plan.book_id), Pool.objects.get(pk=plan.pool_id)
    return jobs.start(
        DISTRIBUTE,
        title=f"Give {plural(plan.count, 'coupon')} of {book} to {pool}, all at once",
        params={
            "pool_id": plan.pool_id,
            "asked": asked | {"seed": plan.seed},
            "plan": plan.hash,
            "reason": reason,
        },
        total=plan.count,
        once=f"{DISTRIBUTE}:{plan.hash}",
    )


def _start_undo(distribution: Distribution, reason: str) -> Job:
    return jobs.start(
        UNDO,
        title=f"Take {plural(distribution.assigned, 'coupon')} of {distribution.book} back, "
        "all at once",
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
    jobs.register(jobs.Kind(DISTRIBUTE, "Distribute coupons", distribute, may=may))
    jobs.register(jobs.Kind(UNDO, "Undo a distribution", undo, may=may))
