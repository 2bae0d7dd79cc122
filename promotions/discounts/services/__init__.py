"""Every write of discounts. The names of the doors' calls, wherever they live."""

from promotions.discounts.services.campaigns import (
    change_campaign_status,
    create_campaign,
    delete_campaign,
    duplicate,
    update_campaign,
)
from promotions.discounts.services.definition import remove_discount, set_discount
from promotions.discounts.services.granting import grant
from promotions.discounts.services.reservations import (
    capture,
    release,
    release_overdue,
    reserve,
)
from promotions.discounts.services.reversals import reverse

__all__ = [
    "capture",
    "change_campaign_status",
    "create_campaign",
    "delete_campaign",
    "duplicate",
    "grant",
    "release",
    "release_overdue",
    "remove_discount",
    "reserve",
    "reverse",
    "set_discount",
    "update_campaign",
]
