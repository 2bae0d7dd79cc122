"""Celery tasks of coupons: doorbells and tidying. Each may be lost, repeated, or run twice."""

import logging
from datetime import timedelta

from celery import shared_task

from promotions.coupons import doorbell
from promotions.coupons.services import batches, tidying

logger = logging.getLogger(__name__)

# Well below the time limit of tasks; what is not done by then is rung for again.
FILL_SECONDS = 60.0


@shared_task(name=doorbell.TASK, ignore_result=True)
def fill_batches() -> None:
    """Make the codes that batches wait for."""
    if not batches.fill_waiting(seconds=FILL_SECONDS):
        logger.info("batches go on with the next ring")


@shared_task(name="coupons.tidy", ignore_result=True)
def tidy() -> None:
    """Make lapsed locks and ended books what they read as already."""
    counts = {
        "locks": tidying.release_lapsed_locks(),
        "expired": tidying.expire_ended_books(),
    }
    if any(counts.values()):
        logger.info("coupons tidied", extra=counts)


BEAT = {
    "fill-batches": {
        "task": doorbell.TASK,
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},
    },
    "tidy-coupons": {
        "task": "coupons.tidy",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
}
