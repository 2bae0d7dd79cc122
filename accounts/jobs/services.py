"""Starting and stopping jobs."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.errors import JobClosed, JobUndone
from accounts.jobs.kinds import kind_of
from accounts.models import Job
from promopulse.lib import broker, context
from promopulse.lib.errors import NotFound
from promopulse.lib.time import db_now

RUN = "accounts.run_job"
QUEUE = "celery"
State = Job.State
UNDONE = (State.WAITING, State.RUNNING)


def start(kind: str, *, title: str, params: Mapping[str, Any], total: int | None = None) -> Job:
    """Write down what is to be done and wake a worker once that is committed."""
    with transaction.atomic():
        job = Job.objects.create(
            kind=kind,
            title=title[:200],
            params=dict(params),
            total=total,
            actor_id=context.actor.get().user_id,
            request_id=context.request_id.get(),
        )
        audit.record("job.start", job, after={"kind": kind, "title": job.title, "total": total})
        transaction.on_commit(lambda: ring(job.pk))
    return job


def cancel(job_id: int, *, reason: str = "") -> Job:
    """Stop a job before its next step; what is done stays done. Raises NotFound or JobClosed."""
    with transaction.atomic():
        job = _locked(job_id)
        if job.state not in UNDONE:
            raise JobClosed(job.state)
        _move(job, "job.cancel", State.CANCELLED, reason, finished_at=db_now())
        kind = kind_of(job)
        if kind is not None and kind.cancel is not None:
            kind.cancel(job, reason)
    return job


def again(job_id: int, *, reason: str = "") -> Job:
    """Go on with a failed or cancelled job where it stopped. Raises NotFound or JobUndone."""
    with transaction.atomic():
        job = _locked(job_id)
        if job.state not in (State.FAILED, State.CANCELLED):
            raise JobUndone(job.state)
        kind = kind_of(job)
        if kind is not None and kind.again is not None:
            kind.again(job)
        columns: dict[str, Any] = {"finished_at": None, "error": "", "tries": 0}
        columns |= {"leased_until": None, "place": job.place}
        _move(job, "job.again", State.WAITING, reason, **columns)
        transaction.on_commit(lambda: ring(job_id))
    return job


def ring(job_id: int) -> bool:
    """Wake a worker for a job; a lost message only delays it."""
    return broker.send(RUN, job_id, queue=QUEUE)


def _locked(job_id: int) -> Job:
    job = Job.objects.select_for_update(no_key=True).filter(pk=job_id).first()
    if job is None:
        raise NotFound()
    return job


def _move(job: Job, action: str, state: State, reason: str, **columns: Any) -> None:
    before = job.state
    for name, value in {**columns, "state": state, "lease_token": None}.items():
        setattr(job, name, value)
    job.save(update_fields=["state", "lease_token", *columns])
    audit.record(action, job, before={"state": before}, after={"state": state}, reason=reason)
