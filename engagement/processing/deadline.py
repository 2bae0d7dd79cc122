"""A deadline for one transaction of work, so that an event that hangs is told from a slow day."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.conf import settings

from engagement.failures import Hung

# The database gives up this much earlier, with an error that leaves the connection usable.
MARGIN = 1.0


@contextmanager
def deadline() -> Iterator[None]:
    """Raises Hung inside the block when it lasts longer than PROCESSING_TIMEOUT.

    Works in a process's main thread, which is where Celery's pool runs tasks. What cannot be
    interrupted is ended by the task's hard time limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, settings.PROCESSING_TIMEOUT.total_seconds() + MARGIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    raise Hung("processing took too long")
