"""Discounts in the admin: what was given and held, and giving it back."""

from promotions.discounts.admin import redemptions, reservations

__all__ = ["redemptions", "reservations"]
