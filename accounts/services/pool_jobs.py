"""Very many people into or out of a pool, as a job: some a step.

What waits for the worker are the ids that the lines were judged to name, so exactly those people
move who were shown, and no address is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from accounts import jobs
from accounts.jobs import brought
from accounts.models import Job, Pool
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from accounts.services import pool_lines
from accounts.services.pool_lines import ADD, Line
from promopulse.lib.errors import NotFound
from promopulse.lib.words import plural

KIND = "pool_members"


def start(
    pool_id: int, judged: Sequence[Line], *, move: str, plan: str, left_out: Mapping[str, int]
) -> Job:
    """Move those of a list who can be; `plan` is the hash of what was shown, and `left_out` what
    its report says of the other lines. Raises NotFound.
    """
    pool = Pool.objects.filter(pk=pool_id).first()
    if pool is None:
        raise NotFound()
    ids = pool_lines.moving(judged)
    what = "into" if move == ADD else "out of"
    return jobs.start(
        KIND,
        title=f"{plural(len(ids), 'person', 'people')} {what} {pool}",
        params={"pool_id": pool_id, "move": move, "left_out": dict(left_out)},
        total=len(ids),
        once=f"{KIND}:{plan}",
        rows=ids,
    )


def step(job: Job) -> bool:
    """Move the next ones. Raises PermissionDenied, or NotFound for a pool that is gone."""
    jobs.still_may(job)
    ids = brought.take(job)
    moved = pool_lines.move(job.params["pool_id"], ids, job.params["move"])
    job.done += len(ids)
    job.result = {"moved": job.result.get("moved", 0) + moved}
    return brought.is_more(job)


def _may(user: Any, _job: Job) -> bool:
    """Who fills pools, as in the API."""
    return reach_of(user, Permission.PROMOTIONS_WRITE) is Reach.ALL


def register() -> None:
    jobs.register(jobs.Kind(KIND, "Move people of a pool", step, may=_may, takes_rows=True))
