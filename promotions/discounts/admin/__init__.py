"""Discounts in the admin: what was given and held, and giving it back."""

from promotions.discounts.admin import (
    moves,
    on_promotions,
    on_users,
    redemptions,
    reservations,
    why_not,
)

__all__ = ["moves", "on_promotions", "on_users", "redemptions", "reservations", "why_not"]
