"""A worker's part: take a job, do some of it, leave it or finish it.

Who holds the lease token works; each step locks the row and looks for the token and the state
first, so that a worker that overslept its lease, or whose job was cancelled, does nothing more.
A step that outlasts its lease holds the row: nobody waits for it to take the job.
"""

import logging
import time
import uuid
from datetime import timedelta

from django.db import transaction

from accounts import pii
from accounts.jobs.kinds import Later, kind_of
from accounts.jobs.services import UNDONE, ring
from accounts.models import Job, JobFile
from promopulse.lib import context, sql
from promopulse.lib.context import Actor
from promopulse.lib.errors import DomainError
from promopulse.lib.time import db_now

logger = logging.getLogger(__name__)

# Jobs share their workers: after so long others have a turn.
SLICE_SECONDS = 20.0
MOST_TRIES = 3
LEASE = timedelta(seconds=60)
State = Job.State

_CLAIM = """
UPDATE accounts_job SET
    state = 'running', lease_token = %(token)s, tries = tries + 1,
    leased_until = clock_timestamp() + %(lease)s::interval,
    started_at = coalesce(started_at, clock_timestamp())
WHERE id = (
    SELECT id FROM accounts_job
    WHERE id = %(id)s AND finished_at IS NULL
        AND (leased_until IS NULL OR leased_until <= clock_timestamp())
    FOR NO KEY UPDATE SKIP LOCKED)
RETURNING tries
"""
# What nobody holds: never begun, left by a worker that died, or waiting for another try.
_LEFT = """
SELECT id FROM accounts_job
WHERE finished_at IS NULL AND (leased_until IS NULL OR leased_until <= clock_timestamp())
    AND created_at <= clock_timestamp() - interval '2 s'
ORDER BY id LIMIT 20
"""
_RELEASE = """
UPDATE accounts_job
SET lease_token = NULL, tries = CASE WHEN %(forgive)s::boolean THEN 0 ELSE tries END,
    leased_until = clock_timestamp() + %(pause)s * interval '1 s'
WHERE id = %(id)s AND lease_token = %(token)s
"""


def ring_for_what_is_left() -> int:
    """Wake workers for jobs whose message was lost; how many."""
    return sum(ring(job_id) for (job_id,) in sql.fetch_all(_LEFT, {}))


def run(job_id: int) -> None:
    """Do a slice of a job, if nobody else holds it."""
    token = uuid.uuid4()
    claimed = sql.fetch_one(_CLAIM, {"id": job_id, "token": token, "lease": LEASE})
    if claimed is None:
        return
    if claimed[0] > MOST_TRIES:
        _fail(job_id, token, f"Its worker died {MOST_TRIES} times at the same place.")
        return
    until = time.monotonic() + SLICE_SECONDS
    try:
        while _step(job_id, token):
            if time.monotonic() >= until:
                _release(job_id, token, 0, forgive=True)
                ring(job_id)
                return
    except Later:
        _release(job_id, token, 3, forgive=True)
    except DomainError as refusal:
        _fail(job_id, token, refusal.detail)
    except Exception as error:
        logger.exception("a job's step failed", extra={"job": job_id})
        words = f"{type(error).__name__}: {pii.mask_text(str(error))[:300]}"
        if not _fail(job_id, token, words, only_after=MOST_TRIES):
            _release(job_id, token, 10)


def _step(job_id: int, token: uuid.UUID) -> bool:
    """One step of the job; whether there is more to do, by this worker."""
    with transaction.atomic():
        job = _held(job_id, token)
        if job is None:
            return False
        kind = kind_of(job)
        if kind is None:
            raise LookupError(f"no job of kind {job.kind!r} is known")
        more = kind.step(job)
        job.tries, job.leased_until = 1, db_now() + LEASE  # the next step's first
        if not more:
            if job.state in UNDONE:
                job.state = State.DONE
            job.finished_at, job.lease_token = db_now(), None
        job.save()
    return more


def _held(job_id: int, token: uuid.UUID) -> Job | None:
    """The job, while it is this worker's: what follows is done in the name of who asked for it."""
    found = Job.objects.select_for_update(no_key=True).filter(pk=job_id, lease_token=token)
    job = found.filter(state__in=UNDONE).first()
    if job is not None:
        context.begin(job.request_id, Actor(user_id=job.actor_id, via="worker"))
    return job


def _release(job_id: int, token: uuid.UUID, pause: int, *, forgive: bool = False) -> None:
    """Let it go for so many seconds; `forgive`: that was no try that failed."""
    params = {"id": job_id, "token": token, "pause": pause, "forgive": forgive}
    with sql.bound_cursor() as cursor:
        cursor.execute(_RELEASE, params)


def _fail(job_id: int, token: uuid.UUID, words: str, *, only_after: int = 0) -> bool:
    """End the job with what went wrong; False if it has tries left, or is somebody else's now."""
    with transaction.atomic():
        job = _held(job_id, token)
        if job is None or job.tries < only_after:
            return False
        job.state, job.error, job.finished_at = State.FAILED, words, db_now()
        job.lease_token = None
        job.save(update_fields=["state", "error", "finished_at", "lease_token"])
        kind = kind_of(job)
        if kind is not None and kind.failed is not None:
            kind.failed(job)
    return True


def append_to_file(job: Job, text: str) -> None:
    """Add a piece to the job's file, in the transaction of its step."""
    number = int(job.place.get("pieces", 0))
    JobFile.objects.create(job=job, number=number, text=text)
    job.place["pieces"] = number + 1
