"""Celery tasks: doorbells. Each may be lost, repeated or run beside itself."""

from celery import shared_task

from engagement import processing
from engagement.doorbell import TASK


@shared_task(name=TASK, acks_late=True, reject_on_worker_lost=True, ignore_result=True)
def drain_inbox() -> None:
    """Process what waits in the inbox and what is due for another try."""
    processing.drain()


# The beat rings too, so that a lost message only delays. A message nobody took in time is dropped:
# the next one does its work.
BEAT = {
    "sweep-inbox": {
        "task": TASK,
        "schedule": 2.0,
        "options": {"queue": "events", "expires": 4},
    }
}
