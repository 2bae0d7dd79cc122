"""How pages say when, to people who do not read tables all day."""

import math
from datetime import datetime, timedelta

from promopulse.lib.admin.shown import plural

_UNITS = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)


def away(at: datetime, now: datetime) -> str:
    """`in 3 days`, `in 4 hours`, `12 minutes ago`: the largest unit there is, rounded down."""
    length = abs(at - now)
    for unit, name in _UNITS:
        if length >= unit:
            words = plural(length // unit, name)
            return f"in {words}" if at > now else f"{words} ago"
    return "in less than a minute" if at > now else "just now"


def left(length: timedelta) -> str:
    """`4 min 12 s`: what a countdown shows."""
    seconds = max(0, math.ceil(length.total_seconds()))
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
