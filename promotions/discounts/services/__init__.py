"""Every write of discounts. The names of the doors' calls, wherever they live."""

from promotions.discounts.services.granting import grant
from promotions.discounts.services.reservations import (
    capture,
    release,
    release_overdue,
    reserve,
)
from promotions.discounts.services.reversals import reverse

__all__ = ["capture", "grant", "release", "release_overdue", "reserve", "reverse"]
