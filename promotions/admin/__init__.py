"""Promotions in the admin. Every write goes through the services."""

from promotions.admin import ledgers, promotions

__all__ = ["ledgers", "promotions"]
