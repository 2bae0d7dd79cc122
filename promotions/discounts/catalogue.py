"""The terms of every active promotion with a discount, kept in each process.

An active promotion's terms are fixed, so a copy of them can only be stale about which promotions
are active, paused or renamed. Every such change brings a new edition (promotions.Edition), which
readers compare before they use the copy. Grants are judged by the rows themselves.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from promopulse.lib.sql import fetch_all
from promotions.discounts.rules import Terms, of_row

_COLUMNS = (
    "id",
    "name",
    "currency",
    "timezone",
    "start_at",
    "end_at",
    "is_targeted",
    "paused_at",
    "discount_type",
    "discount_percentage",
    "discount_flat",
    "min_cart_value",
    "max_discount_amount",
    "max_usage_per_customer_per_day",
    "has_budget",
)
_ROWS = """
    SELECT p.id, p.name, p.currency, p.timezone, p.start_at, p.end_at, p.is_targeted, p.paused_at,
        d.discount_type, d.discount_percentage, d.discount_flat, d.min_cart_value,
        d.max_discount_amount, d.max_usage_per_customer_per_day,
        EXISTS (SELECT 1 FROM promotions_budget b WHERE b.promotion_id = p.id) AS has_budget
    FROM promotions_promotion p JOIN discounts_discount d ON d.promotion_id = p.id
"""
_ACTIVE = f"{_ROWS} WHERE p.status = 'active'"
_ONE = f"{_ACTIVE} AND p.id = %(promotion_id)s"
_ANY = f"{_ROWS} WHERE p.id = %(promotion_id)s"


@dataclass(frozen=True)
class Catalogue:
    """One edition: terms by promotion, and those that are open to everybody."""

    edition: int | None
    by_promotion: dict[int, Terms] = field(default_factory=dict)
    untargeted: tuple[Terms, ...] = ()

    @classmethod
    def of(cls, edition: int | None, terms: Iterable[Terms]) -> "Catalogue":
        by_promotion = {one.promotion_id: one for one in terms}
        untargeted = tuple(one for one in by_promotion.values() if not one.is_targeted)
        return cls(edition, by_promotion, untargeted)


_lock = threading.Lock()
_kept = Catalogue(edition=None)
# Terms looked up one by one, where nobody has asked for all of them.
MOST_SINGLE = 1_000
_single: dict[int, Terms] = {}


def at_edition(edition: int) -> Catalogue:
    """The catalogue of at least this edition, which the caller has just read."""
    global _kept
    if _kept.edition != edition:
        with _lock:
            if _kept.edition != edition:
                # Read after the edition: it may hold more than that one says, never less.
                _kept = Catalogue.of(edition, _read(_ACTIVE))
    return _kept


def fresh_terms_of(promotion_id: int) -> Terms | None:
    """The terms as they are stored now, whatever the status; None where there is no discount."""
    return next(iter(_read(_ANY, promotion_id=promotion_id)), None)


def terms_of(promotion_id: int) -> Terms | None:
    """The terms of an active promotion, or None where it is not active or gives no discount.

    May come from a copy of any age: who uses them is judged by the rows, and what is priced by them
    is fixed.
    """
    terms = _kept.by_promotion.get(promotion_id) or _single.get(promotion_id)
    if terms is None and (found := _read(_ONE, promotion_id=promotion_id)):
        if len(_single) >= MOST_SINGLE:
            _single.clear()
        terms = _single[promotion_id] = found[0]
    return terms


def _read(sql: str, **params: int) -> list[Terms]:
    return [of_row(dict(zip(_COLUMNS, row, strict=True))) for row in fetch_all(sql, params)]
