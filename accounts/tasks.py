"""Celery tasks about people."""

import logging
from datetime import timedelta

from celery import shared_task

from accounts import pruning
from accounts.jobs import running
from accounts.jobs.services import QUEUE, RUN

logger = logging.getLogger(__name__)


@shared_task(name="accounts.prune_expired", ignore_result=True)
def prune_expired() -> None:
    """Drop what nobody will be answered with any more."""
    logger.info("expired rows dropped", extra=pruning.prune_expired())


@shared_task(name=RUN, ignore_result=True)
def run_job(job_id: int) -> None:
    """Do some of a job; the row says where it stands."""
    running.run(job_id)


@shared_task(name="accounts.sweep_jobs", ignore_result=True)
def sweep_jobs() -> None:
    """Wake workers for jobs whose message was lost or whose worker died."""
    running.ring_for_what_is_left()


BEAT = {
    "prune-expired": {"task": "accounts.prune_expired", "schedule": timedelta(days=1)},
    "sweep-jobs": {
        "task": "accounts.sweep_jobs",
        "schedule": 5.0,
        "options": {"queue": QUEUE, "expires": 10},
    },
}
