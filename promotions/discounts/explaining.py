"""Why a cart gets a discount or not: every rule with what it needs and what it found.

The same pure rules that judge for everybody, over rows read now; nothing is granted.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from promopulse.lib import money
from promopulse.lib.errors import DomainError
from promotions import rules as promotion_rules
from promotions.discounts import catalogue, selectors
from promotions.discounts.errors import DiscountNotFound
from promotions.discounts.rules import Cart, Price, Standing, Terms, price, verdicts
from promotions.errors import PromotionNotActive, not_active
from promotions.models import Promotion
from promotions.states import Status


@dataclass(frozen=True)
class Asked:
    """One rule: its name, whether it holds, what it needs, what there is."""

    rule: str
    refusal: DomainError | None
    needed: str
    actual: str


@dataclass(frozen=True)
class Cap:
    """One of the four bounds of the amount; None where it does not bound."""

    name: str
    amount: Decimal | None
    binds: bool


@dataclass(frozen=True)
class Explanation:
    """`amount` is what would be granted: zero where a rule says no."""

    rules: list[Asked]
    caps: list[Cap]
    amount: Decimal
    currency: str

    @property
    def refusals(self) -> list[DomainError]:
        return [asked.refusal for asked in self.rules if asked.refusal is not None]


def explain(
    promotion: Promotion,
    *,
    user_id: int,
    cart_value: Decimal,
    delivery_charge: Decimal = Decimal(0),
    at: datetime | None = None,
) -> Explanation:
    """Ask every rule about this cart, now or as if it were `at`.

    Raises DiscountNotFound, UserNotFound and Invalid.
    """
    terms = catalogue.fresh_terms_of(promotion.pk)
    if terms is None:
        raise DiscountNotFound()
    for name, amount in (("cart_value", cart_value), ("delivery_charge", delivery_charge)):
        promotion_rules.check_amount(name, amount, terms.currency)
    asking = selectors.asking(user_id)
    if at is not None:
        asking = replace(asking, at=at)
    standing = selectors.standings(asking, [terms])[promotion.pk]
    cart = Cart(
        money.to_minor(cart_value, terms.currency), money.to_minor(delivery_charge, terms.currency)
    )
    asked = [_status(promotion)]
    for verdict in verdicts(terms, cart, standing):
        needed, actual = _WORDS[verdict.rule](terms, cart, standing)
        asked.append(Asked(verdict.rule, verdict.refusal, needed, actual))
    refused = any(one.refusal for one in asked)
    caps = _caps(terms, price(terms, cart), cart, standing)
    least = min(cap.amount for cap in caps if cap.amount is not None)
    amount = Decimal(0) if refused else least
    return Explanation(asked, caps, amount, terms.currency)


def _status(promotion: Promotion) -> Asked:
    refusal: DomainError | None = None
    if promotion.status == Status.DRAFT:
        refusal = PromotionNotActive(status=promotion.status)
    elif promotion.status != Status.ACTIVE:
        refusal = not_active(promotion)
    return Asked("status", refusal, "active", promotion.status)


def _text(terms: Terms, units: int) -> str:
    shown = money.money_text(money.from_minor(units, terms.currency), terms.currency)
    return f"{shown} {terms.currency}"


def _moment(at: datetime) -> str:
    return f"{at:%-d %b %Y %H:%M} UTC"


_WORDS = {
    "pause": lambda t, c, s: ("not paused", "paused" if t.is_paused else "not paused"),
    "start": lambda t, c, s: (f"from {_moment(t.start_at)}", _moment(s.at)),
    "end": lambda t, c, s: (f"before {_moment(t.end_at)}", _moment(s.at)),
    "currency": lambda t, c, s: (t.currency, c.currency or t.currency),
    "audience": lambda t, c, s: (
        ("named, or in a pool that is", "one of them" if s.is_target else "not one of them")
        if t.is_targeted
        else ("anybody", "anybody")
    ),
    "min_cart_value": lambda t, c, s: (f"at least {_text(t, t.min_cart)}", _text(t, c.value)),
    "value": lambda t, c, s: (
        "something to reduce",
        _text(t, c.value if t.discount_type == "cart" else c.delivery),
    ),
    "daily_limit": lambda t, c, s: (
        f"fewer than {t.daily_limit} that day",
        f"{s.used_today} of {t.daily_limit}",
    ),
    "budget": lambda t, c, s: (
        "some left",
        "unlimited" if s.budget_left is None else f"{_text(t, s.budget_left)} left",
    ),
}


def _caps(terms: Terms, priced: Price, cart: Cart, standing: Standing) -> list[Cap]:
    """Computed, cap, value and budget, and which of them is the least."""
    if terms.basis_points is None:
        computed = terms.flat or 0
    else:
        computed = money.share(priced.original, terms.basis_points)
    left = standing.budget_left
    units = {
        "What the terms give": computed,
        "The most one redemption gives": terms.cap,
        "The value being discounted": priced.original,
        "What the budget has left": None if left is None else max(0, left),
    }
    least = min(one for one in units.values() if one is not None)
    return [
        Cap(
            name,
            None if one is None else money.from_minor(one, terms.currency),
            one == least,
        )
        for name, one in units.items()
    ]
