"""Trying a transaction again that lost against another worker, or that found no partition."""

import logging
from collections.abc import Callable
from typing import TypeVar

from engagement import partitions
from engagement.failures import Failure, classify, sqlstate

logger = logging.getLogger(__name__)
TRIES = 5

T = TypeVar("T")


def on_contention(act: Callable[[], T], source: str, rows: list[int]) -> T:
    """Run `act`; at once again where the next try sees what this one did not.

    Raises what `act` raises when that does not help, and everything that is not contention.
    """
    for _ in range(TRIES - 1):
        try:
            return act()
        except Exception as error:
            if classify(error) is not Failure.CONTENTION:
                raise
            logger.info("processing again", extra={"sqlstate": sqlstate(error)})
            partitions.ensure_for(source, rows)
    return act()
