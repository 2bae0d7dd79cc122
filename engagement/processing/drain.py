"""Draining the inbox: claim, process, again, until nothing waits."""

import time

from engagement import doorbell, grants
from engagement.models import IngestBatch, RetryEvent
from engagement.processing import breaker, outage, retries
from engagement.processing.claim import claim
from engagement.processing.work import process
from promopulse.lib.time import db_now

RUN_SECONDS = 30.0
# Between two looks while little arrives: fewer, fuller transactions for a delay nobody notices.
PAUSE_SECONDS = 0.02


def drain() -> int:
    """Process what waits in the inbox and the retries that are due. Gives the events handled.

    Safe to lose, repeat or run beside itself: the rows are the truth. Does nothing while
    consumption is paused, but for one worker's probe. Raises database errors.
    """
    with outage.heeded():
        return _drain()


def _drain() -> int:
    if breaker.is_paused():
        return _probe() if breaker.take_probe() else 0
    deadline = time.monotonic() + RUN_SECONDS
    handled = 0
    answered = helped = False
    while time.monotonic() < deadline:
        taken = claim()
        if taken is not None:
            done = process(taken)
            if not done and breaker.is_paused():
                return handled
            handled += done
            answered = False
            if not taken.more:
                time.sleep(PAUSE_SECONDS)
            elif not helped:
                doorbell.call_help()
                helped = True
            continue
        if grants.take_over():
            continue
        handled += retries.process_due(db_now())
        if answered:
            return handled
        # From here on a new ring sends a new message; what came before it is in the next look.
        doorbell.answer()
        answered = True
        time.sleep(doorbell.LINGER_SECONDS)
    doorbell.answer()
    doorbell.ring()
    return handled


def _probe() -> int:
    """While consumption is paused: try one set. If most of it goes well, all go on.

    With nothing to try there is nothing to learn, unless no event is left at all.
    """
    with breaker.tallied() as tally:
        taken = claim()
        if taken is None and grants.take_over():
            taken = claim()
        handled = process(taken) if taken is not None else retries.process_due(db_now())
    if tally.is_good or not _anything_left():
        breaker.resume()
        doorbell.ring()
    return handled


def _anything_left() -> bool:
    waiting = IngestBatch.objects.filter(processed_at=None)
    return waiting.exists() or RetryEvent.objects.exists()
