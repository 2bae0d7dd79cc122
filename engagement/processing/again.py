"""Trying a processing transaction again where a second try sees what the first did not."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError

from engagement import partitions
from promopulse.lib.problems import constraint_of

logger = logging.getLogger(__name__)
TRIES = 5
T = TypeVar("T")


def on_conflict(act: Callable[[], T], source: str, rows: list[int]) -> T:
    """Run `act`, again when a constraint refused it.

    Another worker made the same dead letter or retry first, or a month has no partition yet.
    Raises IntegrityError when that does not help.
    """
    for _ in range(TRIES - 1):
        try:
            return act()
        except IntegrityError as error:
            logger.info("processing again", extra={"constraint": constraint_of(error)})
            partitions.ensure_for(source, rows)
    return act()
