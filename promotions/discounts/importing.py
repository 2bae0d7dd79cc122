"""Campaigns out of a file: promotions with their discount and budget.

A row gives a discount where it says which: by `discount_type` and `discount_percentage` or
`discount_flat`, or by `discount`, an object such as
`{"target": "cart", "kind": "flat", "amount": "10.00"}`. Other columns of a discount are metadata in
a row that gives none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from promopulse.lib.errors import Invalid
from promopulse.lib.importing.columns import as_count, as_decimal, as_text
from promotions import services as promotions
from promotions.discounts import services, values
from promotions.importing import PromotionImporter
from promotions.models import Promotion

WHOLE, BUDGET = "discount", "total_budget"
_SAYS_WHICH = frozenset({WHOLE, "discount_type", *values.KINDS})
_KINDS = {"percent": "discount_percentage", "flat": "discount_flat"}


@dataclass(frozen=True)
class Terms:
    """What a row says of money: values of a discount, if it gives one, and a budget, if any."""

    discount: dict[str, Any] | None
    total: Decimal | None


class CampaignImporter(PromotionImporter):
    more_fields = frozenset({WHOLE, BUDGET, *values.FIELDS})

    def take_more(self, given: dict[str, Any], metadata: dict[str, Any]) -> Terms:
        found = {name: given.pop(name) for name in self.more_fields if name in given}
        total = found.pop(BUDGET, None)
        discount = None
        if _SAYS_WHICH & found.keys():
            discount = {name: _READ[name](name, value) for name, value in _spread(found).items()}
        else:
            metadata.update(found)
        return Terms(discount, None if total is None else as_decimal(BUDGET, total))

    def store_more(self, promotion: Promotion, more: Terms) -> None:
        if more.discount is not None:
            services.set_discount(promotion.pk, values=more.discount)
        if more.total is not None:
            promotions.set_budget_total(promotion.pk, total=more.total)


def _type(field: str, value: Any) -> str:
    return as_text(field, value, 8)


_READ: dict[str, Callable[[str, Any], Any]] = {
    "discount_type": _type,
    "max_usage_per_customer_per_day": as_count,
    **dict.fromkeys((*values.KINDS, "min_cart_value", "max_discount_amount"), as_decimal),
}


def _spread(found: dict[str, Any]) -> dict[str, Any]:
    """The columns of a discount, those of a `discount` object among them. Raises Invalid."""
    columns = dict(found)
    whole = columns.pop(WHOLE, None)
    if whole is None:
        return columns
    if isinstance(whole, str):
        try:
            whole = msgspec.json.decode(whole)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            whole = None
    if not isinstance(whole, dict) or whole.keys() != {"target", "kind", "amount"}:
        raise Invalid(WHOLE, "An object with target, kind and amount is expected.", "invalid")
    kind = _KINDS.get(str(whole["kind"]))
    if kind is None:
        raise Invalid(WHOLE, "The kind of a discount is percent or flat.", "invalid_choice")
    if _SAYS_WHICH & columns.keys():
        raise Invalid(WHOLE, "Two columns are this field.", "twice")
    return columns | {"discount_type": whole["target"], kind: whole["amount"]}
