"""Books, codes and coupons in the admin. Every write goes through the services."""

from promotions.coupons.admin import (
    batches,
    books,
    coupons,
    distributions,
    on_jobs,
    on_pools,
    on_promotions,
    on_users,
)

__all__ = [
    "batches",
    "books",
    "coupons",
    "distributions",
    "on_jobs",
    "on_pools",
    "on_promotions",
    "on_users",
]
