"""Draining the inbox: claim, process, again, until nothing waits."""

import time

from engagement import doorbell, grants
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
    """While consumption is paused: try one set; if it goes well, all go on."""
    taken = claim()
    if taken is None:
        retries.process_due(db_now())
        handled = 0
    else:
        handled = process(taken)
        if not handled:
            return 0
    breaker.resume()
    doorbell.ring()
    return handled
