"""Celery tasks of discounts: tidying only, correctness never waits for them."""

import logging
from datetime import timedelta

from celery import shared_task

from promotions.discounts import services

logger = logging.getLogger(__name__)


@shared_task(name="discounts.release_overdue", ignore_result=True)
def release_overdue() -> None:
    """Give back what overdue reservations hold."""
    if released := services.release_overdue():
        logger.info("overdue reservations released", extra={"reservations": released})


BEAT = {
    "release-overdue-reservations": {
        "task": "discounts.release_overdue",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    }
}
