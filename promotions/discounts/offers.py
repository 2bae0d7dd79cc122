"""Which discounts a cart can have: best first, and why the others do not apply.

Prices are computed from the cached terms of every active promotion; only the best few are looked up
in the database, so the cost hardly grows with the number of campaigns. Nothing is promised: a grant
judges anew.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from promopulse.lib import money
from promopulse.lib.errors import DomainError
from promotions import rules as promotion_rules
from promotions.discounts import catalogue, selectors
from promotions.discounts.models import DiscountType
from promotions.discounts.rules import Cart, Price, Standing, Terms, price, refusal
from promotions.discounts.selectors import Asking

DEFAULT_LIMIT = 20  # offers of a type
# Some of the best have no money or no use left today: looked up together with them.
_SPARE = 12
# A currency with as many decimals as any: what an amount may have where none is named.
_WIDEST = "KWD"


@dataclass(frozen=True)
class Offer:
    """One discount a cart can have, in the campaign's currency."""

    terms: Terms
    amount: Decimal
    original: Decimal
    limited_by: str

    @property
    def final(self) -> Decimal:
        return self.original - self.amount


@dataclass(frozen=True)
class Ineligible:
    """One campaign that does not apply, and the first reason."""

    terms: Terms
    refusal: DomainError


@dataclass(frozen=True)
class Offers:
    cart: list[Offer] = field(default_factory=list)
    delivery: list[Offer] = field(default_factory=list)
    ineligible: list[Ineligible] = field(default_factory=list)


class _Candidate(NamedTuple):
    """Sorts best first: the highest price, then the one that ends first, then the older."""

    worth: int  # minus its price
    end_at: datetime
    promotion_id: int
    terms: Terms
    price: Price


class Carts:
    """One cart in the minor units of each currency: None where it cannot be one of it."""

    def __init__(self, value: Decimal, delivery: Decimal, currency: str | None) -> None:
        for name, amount in (("cart_value", value), ("delivery_charge", delivery)):
            promotion_rules.check_amount(name, amount, currency or _WIDEST)
        self._value, self._delivery, self.currency = value, delivery, currency
        self._known: dict[str, Cart | None] = {}

    def within(self, currency: str) -> Cart | None:
        if currency not in self._known:
            self._known[currency] = self._make(currency)
        return self._known[currency]

    def _make(self, currency: str) -> Cart | None:
        amounts = (self._value, self._delivery)
        if self.currency not in (None, currency) or not all(
            money.is_exact(amount, currency) for amount in amounts
        ):
            return None
        value, delivery = (money.to_minor(amount, currency) for amount in amounts)
        return Cart(value, delivery, currency)


def available(
    *,
    user_id: int,
    cart_value: Decimal,
    delivery_charge: Decimal = Decimal(0),
    currency: str | None = None,
    limit: int = DEFAULT_LIMIT,
    include_ineligible: bool = False,
    of_others: bool = False,
) -> Offers:
    """The discounts of this cart, `limit` of each type at most.

    Without a currency each campaign takes the cart to be in its own. `include_ineligible` tells of
    every other campaign why it does not apply; `of_others` also of those aimed at other people.
    Raises UserNotFound or Invalid.
    """
    carts = Carts(cart_value, delivery_charge, currency)
    asking = selectors.asking(user_id)
    active = catalogue.at_edition(asking.edition)
    if include_ineligible:
        everybody = active.by_promotion.values() if of_others else _open_to(active, asking)
        return _judged(everybody, carts, asking, limit)
    priced = _priced(_open_to(active, asking), carts, asking)
    cart, delivery = (
        _best([one for one in priced if one.terms.discount_type == kind], asking, limit)
        for kind in (DiscountType.CART, DiscountType.DELIVERY)
    )
    return Offers(cart, delivery)


def _open_to(active: catalogue.Catalogue, asking: Asking) -> Iterator[Terms]:
    yield from active.untargeted
    for promotion_id in asking.targeted:
        if (terms := active.by_promotion.get(promotion_id)) and terms.is_targeted:
            yield terms


def _priced(some: Iterable[Terms], carts: Carts, asking: Asking) -> list[_Candidate]:
    """Those whose price says nothing against them, best first. The rules that need no look-up."""
    at, found = asking.at, []
    for terms in some:
        if terms.is_paused or at < terms.start_at or at >= terms.end_at:
            continue
        cart = carts.within(terms.currency)
        if cart is None or cart.value < terms.min_cart:
            continue
        priced = price(terms, cart)
        if priced.amount > 0:
            found.append(_candidate(terms, priced))
    found.sort()
    return found


def _candidate(terms: Terms, priced: Price) -> _Candidate:
    return _Candidate(-priced.amount, terms.end_at, terms.promotion_id, terms, priced)


def _best(candidates: list[_Candidate], asking: Asking, limit: int) -> list[Offer]:
    """The best `limit` of candidates in order, once their day and their budget are known."""
    offers: list[tuple[int, Offer]] = []
    done = 0
    while done < len(candidates):
        # What a budget cuts short may fall behind one that was not looked up yet.
        worst = sorted((units for units, _ in offers), reverse=True)[limit - 1 : limit]
        if worst and worst[0] >= candidates[done].price.amount:
            break
        some = candidates[done : done + limit + _SPARE]
        done += len(some)
        standing = selectors.standings(asking, [one.terms for one in some])
        for one in some:
            units = _granted(one, standing[one.terms.promotion_id])
            if units > 0:
                offers.append((units, _offer(one.terms, one.price, units)))
    offers.sort(key=lambda pair: -pair[0])  # stable: equal ones keep their order
    return [offer for _, offer in offers[:limit]]


def _granted(candidate: _Candidate, standing: Standing) -> int:
    if standing.used_today >= candidate.terms.daily_limit:
        return 0
    left = standing.budget_left
    return candidate.price.amount if left is None else min(candidate.price.amount, left)


def _offer(terms: Terms, priced: Price, units: int) -> Offer:
    return Offer(
        terms,
        amount=money.from_minor(units, terms.currency),
        original=money.from_minor(priced.original, terms.currency),
        limited_by="budget" if units < priced.amount else priced.limited_by,
    )


def _must(reason: DomainError | None) -> DomainError:
    assert reason is not None  # another currency is one
    return reason


def _judged(some: Iterable[Terms], carts: Carts, asking: Asking, limit: int) -> Offers:
    """Every campaign asked by every rule."""
    some = list(some)
    standing = selectors.standings(asking, some)
    found: dict[str, list[tuple[int, _Candidate]]] = {kind: [] for kind in DiscountType.values}
    ineligible: list[Ineligible] = []
    for terms in some:
        stands = standing[terms.promotion_id]
        cart = carts.within(terms.currency)
        if cart is None:  # a currency of nobody: earlier reasons come first all the same
            foreign = Cart(0, 0, carts.currency or "")
            ineligible.append(Ineligible(terms, _must(refusal(terms, foreign, stands))))
            continue
        if reason := refusal(terms, cart, stands):
            ineligible.append(Ineligible(terms, reason))
            continue
        one = _candidate(terms, price(terms, cart))
        found[terms.discount_type].append((_granted(one, stands), one))
    for offers in found.values():
        offers.sort(key=lambda pair: (-pair[0], pair[1]))
    best = {
        kind: [_offer(one.terms, one.price, units) for units, one in offers[:limit]]
        for kind, offers in found.items()
    }
    return Offers(
        best[DiscountType.CART],
        best[DiscountType.DELIVERY],
        ineligible=sorted(ineligible, key=lambda one: one.terms.promotion_id),
    )
