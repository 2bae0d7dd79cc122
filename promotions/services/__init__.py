"""Every write to a promotion. The names of the doors' calls, wherever they live."""

from promotions.services.budget import set_budget_total, top_up
from promotions.services.lifecycle import change_status, pause, resume
from promotions.services.promotions import (
    create_promotion,
    delete_promotion,
    duplicate,
    update_promotion,
)

__all__ = [
    "change_status",
    "create_promotion",
    "delete_promotion",
    "duplicate",
    "pause",
    "resume",
    "set_budget_total",
    "top_up",
    "update_promotion",
]
