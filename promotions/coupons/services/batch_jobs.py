"""A large batch on the list of jobs: how far it is, stopped and taken up there too.

Which row is the truth: the batch. The job fills it a chunk a step, in turns with whoever else does,
and says how far it is. What was cancelled stays cancelled: a job that is begun again makes what is
missing as another batch.
"""

from typing import Any

from accounts import jobs
from accounts.models import Job
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promotions.coupons.models import CodeBatch
from promotions.coupons.services import batches

Status = CodeBatch.Status


def batch_ids(job: Job) -> list[int]:
    """The batches a job has filled, the present one last."""
    return [*job.place.get("before", []), job.place.get("batch_id", job.params["batch_id"])]


def step(job: Job) -> bool:
    """Make a chunk of codes, unless others have made all of them."""
    *before, present = batch_ids(job)
    # Waits for a chunk that somebody else inserts.
    batch = CodeBatch.objects.select_for_update(no_key=True).get(pk=present)
    if batch.status == Status.RUNNING:
        batches.fill(present, seconds=0)
        batch.refresh_from_db()
    job.done = batch.done + _done_of(before)
    job.result = {"codes": job.done}
    if batch.status == Status.CANCELLED:
        job.state = Job.State.CANCELLED
    return batch.status == Status.RUNNING


def cancel(job: Job, reason: str) -> None:
    """Stop the batch with its job."""
    batch = CodeBatch.objects.get(pk=batch_ids(job)[-1])
    batches.cancel(batch.book_id, batch.pk, reason=reason)


def again(job: Job) -> None:
    """Make what is missing of a cancelled batch as another one. Raises what `generate` raises."""
    ids = batch_ids(job)
    batch = CodeBatch.objects.get(pk=ids[-1])
    if batch.status != Status.CANCELLED:
        return
    shape = batch.code_shape
    more = batches.begin(
        batch.book_id, count=batch.total - batch.done, pattern=shape.pattern, length=shape.length,
        charset=shape.charset, max_redemptions=batch.max_redemptions,
    )  # fmt: skip
    job.place = job.place | {"batch_id": more.pk, "before": ids}


def may(user: Any, _job: Job) -> bool:
    """Who fills books, as in the API."""
    return reach_of(user, Permission.PROMOTIONS_WRITE) is Reach.ALL


def _done_of(ids: list[int]) -> int:
    return sum(CodeBatch.objects.filter(pk__in=ids).values_list("done", flat=True))


def register() -> None:
    jobs.register(
        jobs.Kind(batches.JOB, "Generate codes", step, cancel=cancel, again=again, may=may)
    )
