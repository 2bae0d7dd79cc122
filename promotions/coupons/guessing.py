"""Whoever guesses codes is stopped: looks that fail are limited, and then every look is refused.

People are counted by person and by address. A service looks for many people from one address: it is
counted by the person it names.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from promopulse.lib import limits
from promotions.coupons.errors import CouponNotFound

RATE = "coupon_lookup"


@contextmanager
def guesses_limited(*who: str) -> Iterator[None]:
    """Run a look at a code for each of these names. Raises RateLimited once they failed too often.

    A look that succeeds costs nothing.
    """
    for name in who:
        verdict = limits.room(RATE, name)
        if verdict is not None and not verdict.allowed:
            raise verdict.refusal()
    try:
        yield
    except CouponNotFound:
        for name in who:
            limits.hit(RATE, name)
        raise
