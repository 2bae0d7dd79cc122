"""The breaker: when most recent events fail in one way, consumption pauses and says so.

Refusals are not failures: a rule that says no is doing its work. Each worker watches its own recent
events; the pause itself is one row that all of them heed.
"""

import logging
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db.models.functions import Coalesce

from engagement.models import Consumption
from promopulse.lib import sql
from promopulse.lib.time import ClockTimestamp

logger = logging.getLogger(__name__)

WINDOW = 200
LEAST_FAILURES = 50


class Tripped(Exception):
    """Most recent events failed in one way. Nothing of this transaction may stand."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__(fingerprint)


_recent: deque[str | None] = deque(maxlen=WINDOW)


@dataclass
class Tally:
    """What became of the events that were tried meanwhile, watched or not."""

    went_well: int = 0
    failed: int = 0
    tripped: bool = False

    @property
    def is_good(self) -> bool:
        """Whether something was tried, and most of it went well."""
        return self.went_well > self.failed and not self.tripped


_tally = Tally()


@contextmanager
def tallied() -> Iterator[Tally]:
    """Count what is tried inside the block."""
    global _tally
    _tally = Tally()
    yield _tally


def went_well(events: int, *, watched: bool = True) -> None:
    """These events were processed, whatever became of them."""
    _tally.went_well += events
    if watched:
        _recent.extend([None] * min(events, WINDOW))


def failed(fingerprint: str, *, watched: bool = True) -> None:
    """One event failed. Raises Tripped when most of the recent ones failed like this.

    One that is not `watched` failed before: that it does again says nothing of the others.
    """
    _tally.failed += 1
    if not watched:
        return
    _recent.append(fingerprint)
    failures = Counter(_recent)[fingerprint]
    if failures >= LEAST_FAILURES and failures * 2 > len(_recent):
        _recent.clear()
        _tally.tripped = True
        raise Tripped(fingerprint)


def pause(fingerprint: str) -> None:
    """Stop consumption for all workers until a probe goes well."""
    now = ClockTimestamp()
    Consumption.objects.get_or_create(pk=1)
    Consumption.objects.filter(pk=1).update(
        paused_at=Coalesce("paused_at", now),
        probe_at=now + settings.BREAKER_PROBE_AFTER,
        fingerprint=fingerprint,
    )
    logger.error("consumption paused", extra={"fingerprint": fingerprint})


def resume() -> bool:
    """Let consumption go on. False when it was not paused."""
    resumed = Consumption.objects.filter(pk=1, paused_at__isnull=False).update(
        paused_at=None, probe_at=None, fingerprint=""
    )
    if resumed:
        logger.warning("consumption resumed")
    return bool(resumed)


_PROBE = """
UPDATE engagement_consumption SET probe_at = clock_timestamp() + %(after)s::interval
WHERE id = 1 AND paused_at IS NOT NULL AND probe_at <= clock_timestamp()
RETURNING id
"""


def is_paused() -> bool:
    return Consumption.objects.filter(pk=1, paused_at__isnull=False).exists()


def take_probe() -> bool:
    """Whether this worker is the one that tries again while consumption is paused."""
    return sql.fetch_one(_PROBE, {"after": settings.BREAKER_PROBE_AFTER}) is not None
