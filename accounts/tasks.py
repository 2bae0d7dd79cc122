"""Celery tasks about people."""

import logging
from datetime import timedelta

from celery import shared_task

from accounts import pruning

logger = logging.getLogger(__name__)


@shared_task(name="accounts.prune_expired", ignore_result=True)
def prune_expired() -> None:
    """Drop what nobody will be answered with any more."""
    logger.info("expired rows dropped", extra=pruning.prune_expired())


BEAT = {"prune-expired": {"task": "accounts.prune_expired", "schedule": timedelta(days=1)}}
