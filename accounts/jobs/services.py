"""Starting and stopping jobs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg.errors
from django.db import IntegrityError, OperationalError, transaction

from accounts import audit
from accounts.errors import BroughtGone, JobBusy, JobClosed, JobUnderWay, JobUndone
from accounts.jobs import brought
from accounts.jobs.kinds import kind_of
from accounts.models import Job
from promopulse.lib import broker, context, sql
from promopulse.lib.errors import NotFound
from promopulse.lib.problems import constraint_of
from promopulse.lib.time import db_now

RUN = "accounts.run_job"
QUEUE = "celery"
State = Job.State
UNDONE = (State.WAITING, State.RUNNING)
# A step that is one piece of work can hold its job for long; who wants to stop it is told so.
WAIT_MS = 3_000
_WAIT = "SELECT set_config('lock_timeout', %(wait)s, true)"


def start(
    kind: str,
    *,
    title: str,
    params: Mapping[str, Any],
    total: int | None = None,
    once: str | None = None,
    rows: Sequence[Any] = (),
    left_out: Sequence[Any] = (),
) -> Job:
    """Write down what is to be done, `rows` being what it is done with and `left_out` the rejected
    ones (number, text, verdict, reason), and wake a worker once that is committed.

    Where a job with the same `once` is undone already it is that one: what two people ask for at
    the same moment is done once. The caller looks at the `kind`, if it shares the name with others.
    """
    values = {
        "kind": kind,
        "title": title[:200],
        "params": dict(params),
        "total": total,
        "actor_id": context.actor.get().user_id,
        "request_id": context.request_id.get(),
    }
    with transaction.atomic():
        job, is_new = _written(once, values)
        if is_new:
            brought.keep(job, rows)
            brought.keep(job, left_out, is_left_out=True)
            audit.record("job.start", job, after={"kind": kind, "title": job.title, "total": total})
            transaction.on_commit(lambda: ring(job.pk))
    return job


def _written(once: str | None, values: dict[str, Any]) -> tuple[Job, bool]:
    """The job, and whether it was not there. The unique index decides between two at once."""
    if once is None:
        return Job.objects.create(**values), True
    try:
        return Job.objects.get_or_create(once=once, finished_at=None, defaults=values)
    except IntegrityError as error:  # the other one was there, and has just ended
        _must_be_of_once(error)
        return Job.objects.get_or_create(once=once, finished_at=None, defaults=values)


def _must_be_of_once(error: IntegrityError) -> None:
    if constraint_of(error) != "accounts_job_once":
        raise error


def cancel(job_id: int, *, reason: str = "") -> Job:
    """Stop a job before its next step; what is done stays done.

    Raises NotFound, JobClosed, or JobBusy while a long step cannot be stopped.
    """
    with _soon():
        job = _locked(job_id)
        if job.state not in UNDONE:
            raise JobClosed(job.state)
        _move(job, "job.cancel", State.CANCELLED, reason, finished_at=db_now())
        kind = kind_of(job)
        if kind is not None and kind.cancel is not None:
            kind.cancel(job, reason)
    return job


def again(job_id: int, *, reason: str = "") -> Job:
    """Go on with a failed or cancelled job where it stopped.

    Raises NotFound, JobUndone, JobUnderWay where another one does the same meanwhile, or
    BroughtGone.
    """
    with _soon():
        job = _locked(job_id)
        if job.state not in (State.FAILED, State.CANCELLED):
            raise JobUndone(job.state)
        kind = kind_of(job)
        if kind is not None and kind.takes_rows and not brought.is_more(job):
            raise BroughtGone()
        if kind is not None and kind.again is not None:
            kind.again(job)
        columns: dict[str, Any] = {"finished_at": None, "error": "", "tries": 0}
        columns |= {"leased_until": None, "place": job.place}
        try:
            with transaction.atomic():
                _move(job, "job.again", State.WAITING, reason, **columns)
        except IntegrityError as error:
            _must_be_of_once(error)
            raise JobUnderWay() from None
        transaction.on_commit(lambda: ring(job_id))
    return job


def ring(job_id: int) -> bool:
    """Wake a worker for a job; a lost message only delays it."""
    return broker.send(RUN, job_id, queue=QUEUE)


@contextmanager
def _soon() -> Iterator[None]:
    """A transaction of somebody who does not wait for a long step to end."""
    try:
        with transaction.atomic():
            sql.fetch_one(_WAIT, {"wait": f"{WAIT_MS}ms"})
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise
        raise JobBusy() from None


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
