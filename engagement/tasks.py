"""Celery tasks: doorbells. Each may be lost, repeated or run beside itself."""

from datetime import timedelta

from celery import shared_task

from engagement import doorbell, partitions, processing
from engagement.doorbell import TASK

# Twice what a drain gives itself: past that it hangs where Python cannot interrupt it.
DRAIN_SECONDS = 60


@shared_task(
    name=TASK,
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
    time_limit=DRAIN_SECONDS,
    soft_time_limit=DRAIN_SECONDS - 5,
)
def drain_inbox() -> None:
    """Process what waits in the inbox and what is due for another try."""
    doorbell.beat_heart()
    processing.drain()


@shared_task(name="engagement.make_months", ignore_result=True)
def make_months() -> None:
    """Make the partitions of this month and the next ones."""
    partitions.ensure_ahead()


# The beat rings too, so that a lost message only delays. A message nobody took in time is dropped:
# the next one does its work.
BEAT = {
    "sweep-inbox": {
        "task": TASK,
        "schedule": 2.0,
        "options": {"queue": "events", "expires": 4},
    },
    "make-months": {"task": "engagement.make_months", "schedule": timedelta(days=1)},
}
