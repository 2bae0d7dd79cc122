"""Very many codes that somebody brings, as a job: some a step, into one batch.

Which row is the truth: what is left of the rows that were brought. A step takes some and inserts
them in its transaction, so a worker that dies leaves nothing behind. A code that somebody else
brought since it was judged is left out and counted. A batch is fixed at what was judged: one that
ends up with fewer codes is closed as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts import audit, jobs
from accounts.jobs import brought
from accounts.models import Job
from promopulse.lib.words import plural
from promotions.coupons.models import CodeBatch
from promotions.coupons.services import batches
from promotions.coupons.services.batch_jobs import may
from promotions.coupons.services.uploading import CREATED, Verdict

KIND = "upload"
Status = CodeBatch.Status


def start(
    book_id: int,
    verdicts: Sequence[Verdict],
    *,
    max_redemptions: int,
    plan: str,
    left_out: Mapping[str, int],
    rejected: Sequence[Any],
) -> Job:
    """Bring those codes of an upload that were found new; `plan` is the hash of what was shown,
    `left_out` what its report says of the other rows, and `rejected` these rows.

    Raises BookNotFound, CouponExpired or Invalid.
    """
    new = sorted(one.code for one in verdicts if one.verdict == CREATED)
    with transaction.atomic():
        book = batches.open_book(book_id, max_redemptions)
        return jobs.start(
            KIND,
            title=f"Bring {plural(len(new), 'code')} into {book}",
            params={
                "book_id": book_id,
                "max_redemptions": max_redemptions,
                "left_out": dict(left_out),
            },
            total=len(new),
            once=f"{KIND}:{plan}",
            rows=new,
            left_out=rejected,
        )


def batch_ids(job: Job) -> list[int]:
    """The batches that were brought so far: another one after each time it was stopped."""
    found: list[int] = job.place.get("batches", [])
    return found


def step(job: Job) -> bool:
    """Insert the next codes. Raises PermissionDenied, or what `start` raises."""
    jobs.still_may(job)
    batch = _present(job) or _another(job)
    if batch.status == Status.CANCELLED:  # on its own page
        job.state = Job.State.CANCELLED
        return False
    rows = brought.take(job)
    batches.insert_codes(batch, rows)
    job.done += len(rows)
    brought_in = CodeBatch.objects.filter(pk__in=batch_ids(job)).values_list("done", flat=True)
    job.result = {"codes": sum(brought_in), "existed_already": job.done - sum(brought_in)}
    more = brought.is_more(job)
    if not more:
        # Does nothing to one that is full.
        reason = "Others brought the rest of its codes meanwhile."
        batches.cancel(batch.book_id, batch.pk, reason=reason)
    return more


def _present(job: Job) -> CodeBatch | None:
    ids = batch_ids(job)
    if not ids or job.place["is_closed"]:
        return None
    return CodeBatch.objects.select_for_update(no_key=True).get(pk=ids[-1])


def _another(job: Job) -> CodeBatch:
    """A batch for what is left."""
    assert job.total is not None
    uses, left = job.params["max_redemptions"], job.total - job.done
    book = batches.open_book(job.params["book_id"], uses)
    kind = CodeBatch.Kind.UPLOAD
    batch = CodeBatch.objects.create(book=book, kind=kind, total=left, max_redemptions=uses)
    audit.record("book.upload", book, after={"batch_id": batch.pk, "codes": left})
    job.place = {"batches": [*batch_ids(job), batch.pk], "is_closed": False}
    return batch


def cancel(job: Job, reason: str) -> None:
    """Stop the batch with its job."""
    for batch_id in batch_ids(job)[-1:]:
        batches.cancel(job.params["book_id"], batch_id, reason=reason)


def failed(job: Job) -> None:
    """Close the batch: nobody may ever take up the rest."""
    cancel(job, "Its job failed.")


def again(job: Job) -> None:
    """A batch that was stopped stays so: what is left goes into another one."""
    stopped = CodeBatch.objects.filter(pk__in=batch_ids(job)[-1:], status=Status.CANCELLED)
    if stopped.exists():
        job.place = job.place | {"is_closed": True}


def register() -> None:
    jobs.register(
        jobs.Kind(
            KIND,
            "Upload codes",
            step,
            cancel=cancel,
            failed=failed,
            again=again,
            may=may,
            takes_rows=True,
        )
    )
