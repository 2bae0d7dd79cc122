"""What a discount's values may be. Pure: no queries, raises Invalid naming the field."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from promopulse.lib import money
from promopulse.lib.errors import Invalid
from promotions.discounts.errors import NotOneKind
from promotions.discounts.models import Discount, DiscountType
from promotions.rules import check_amount

KINDS = ("discount_percentage", "discount_flat")
DEFAULTS: dict[str, Any] = {
    "discount_percentage": None,
    "discount_flat": None,
    "min_cart_value": Decimal(0),
    "max_discount_amount": None,
    "max_usage_per_customer_per_day": 1,
}
FIELDS = ("discount_type", *DEFAULTS)
MONEY = ("discount_flat", "min_cart_value", "max_discount_amount")

MAX_USAGE = 2**31 - 1
_FINEST = Decimal("0.01")  # of a percentage


def clean(values: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """All fields of a discount as they are stored; what is left out has its default."""
    whole = DEFAULTS | dict(values)
    if whole.get("discount_type") not in DiscountType.values:
        raise Invalid("discount_type", "cart or delivery is expected.", "invalid_choice")
    if sum(whole[kind] is not None for kind in KINDS) != 1:
        raise NotOneKind()
    if whole["discount_percentage"] is not None:
        _check_percentage(whole["discount_percentage"])
    for name in MONEY:
        if name == "min_cart_value" or whole[name] is not None:
            check_amount(name, whole[name], currency)
    for name in ("discount_flat", "max_discount_amount"):
        if whole[name] == 0:
            raise Invalid(name, "More than zero is expected.", "min_value")
    usage = whole["max_usage_per_customer_per_day"]
    if type(usage) is not int or not 1 <= usage <= MAX_USAGE:
        raise Invalid("max_usage_per_customer_per_day", f"From 1 to {MAX_USAGE}.", "out_of_range")
    return {name: whole[name] for name in FIELDS}


def _check_percentage(share: Any) -> None:
    if not isinstance(share, Decimal) or not share.is_finite() or not 0 < share <= 100:
        raise Invalid("discount_percentage", "More than 0, at most 100.", "out_of_range")
    if share != share.quantize(_FINEST):
        raise Invalid("discount_percentage", "At most 2 decimals.", "max_decimal_places")


def switched(stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Stored values with changes over them; naming one kind drops the other."""
    kept = dict(stored)
    for kind, other in (KINDS, KINDS[::-1]):
        if changes.get(kind) is not None:
            kept[other] = None
    return kept | dict(changes)


def of(discount: Discount) -> dict[str, Any]:
    """The fields of a stored discount."""
    return {name: getattr(discount, name) for name in FIELDS}


def differing(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Of the wanted values those that are not stored already."""
    return {
        name: value for name, value in wanted.items() if name not in stored or stored[name] != value
    }


def shown(values: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """Values as the audit trail keeps them: amounts with their currency's decimals."""
    return {
        name: money.money_text(value, currency) if name in MONEY and value is not None else value
        for name, value in values.items()
    }
