"""What a discount gives and why it does not apply. Pure: terms, cart and standing in; no queries.

Amounts are whole minor units of the promotion's currency (cents), so that a price is exact and a
thousand of them cost little. The triggers judge a grant by the same rules over the rows themselves;
a test holds the two together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from promopulse.lib import money
from promopulse.lib.errors import DomainError
from promopulse.lib.time import rfc3339
from promotions.discounts import errors
from promotions.errors import NotTargeted, PromotionExpired, PromotionPaused


@dataclass(frozen=True, slots=True)
class Terms:
    """What an active promotion gives. All of it is fixed but the name and the pause."""

    promotion_id: int
    name: str
    discount_type: str
    basis_points: int | None  # hundredths of a percent; None for a flat amount
    flat: int | None
    min_cart: int
    cap: int | None
    daily_limit: int
    currency: str
    timezone: str
    start_at: datetime
    end_at: datetime
    is_targeted: bool
    is_paused: bool
    has_budget: bool


@dataclass(frozen=True, slots=True)
class Cart:
    """What somebody is about to pay, in minor units. No currency given is the promotion's."""

    value: int
    delivery: int
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a promotion and a user stand at `at`. Held but overdue counts as given back."""

    at: datetime
    is_target: bool = True
    used_today: int = 0
    budget_left: int | None = None  # None when unlimited


@dataclass(frozen=True, slots=True)
class Price:
    """What a discount gives on a cart before the budget. `limited_by` is "", "cap" or "value"."""

    amount: int
    original: int
    limited_by: str


def price(terms: Terms, cart: Cart) -> Price:
    """min(computed, cap, value being discounted)."""
    original = cart.value if terms.discount_type == "cart" else cart.delivery
    if terms.basis_points is None:
        amount = terms.flat or 0
    else:
        amount = money.share(original, terms.basis_points)
    limited_by = ""
    if terms.cap is not None and amount > terms.cap:
        amount, limited_by = terms.cap, "cap"
    if amount > original:
        amount, limited_by = original, "value"
    return Price(amount, original, limited_by)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule asked about one cart: whether it holds, and the refusal where it does not."""

    rule: str
    refusal: DomainError | None


def verdicts(terms: Terms, cart: Cart, standing: Standing) -> Iterator[Verdict]:
    """Every rule with its verdict, in the order refusals are told."""
    for rule, judge in _RULES:
        yield Verdict(rule, judge(terms, cart, standing))


def refusal(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    """The first reason why the discount does not apply, or None where it does."""
    return next(
        (verdict.refusal for verdict in verdicts(terms, cart, standing) if verdict.refusal), None
    )


def local_day_ends(at: datetime, timezone: str) -> datetime:
    """When a promotion's local day is over: its limits begin anew."""
    zone = ZoneInfo(timezone)
    tomorrow = at.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, clock_time(), zone)


def _text(terms: Terms, units: int) -> str:
    return money.money_text(money.from_minor(units, terms.currency), terms.currency)


def _pause(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    return PromotionPaused() if terms.is_paused else None


def _start(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    if standing.at < terms.start_at:
        return errors.PromotionNotStarted(starts_at=rfc3339(terms.start_at))
    return None


def _end(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    if standing.at >= terms.end_at:
        return PromotionExpired(ended_at=rfc3339(terms.end_at))
    return None


def _currency(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    if cart.currency not in (None, terms.currency):
        return errors.CurrencyMismatch(expected=terms.currency, given=cart.currency)
    return None


def _audience(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    return NotTargeted() if terms.is_targeted and not standing.is_target else None


def _min_cart(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    if cart.value < terms.min_cart:
        return errors.MinCartValueNotMet(
            required=_text(terms, terms.min_cart),
            actual=_text(terms, cart.value),
            missing=_text(terms, terms.min_cart - cart.value),
        )
    return None


def _value(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    return errors.NothingToDiscount() if price(terms, cart).amount <= 0 else None


def _daily_limit(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    if standing.used_today >= terms.daily_limit:
        return errors.DailyLimitReached(
            used=standing.used_today,
            limit=terms.daily_limit,
            resets_at=rfc3339(local_day_ends(standing.at, terms.timezone)),
        )
    return None


def _budget(terms: Terms, cart: Cart, standing: Standing) -> DomainError | None:
    if standing.budget_left is not None and standing.budget_left <= 0:
        return errors.BudgetExhausted(left=_text(terms, standing.budget_left))
    return None


_Judge = Callable[[Terms, Cart, Standing], DomainError | None]
_RULES: tuple[tuple[str, _Judge], ...] = (
    ("pause", _pause),
    ("start", _start),
    ("end", _end),
    ("currency", _currency),
    ("audience", _audience),
    ("min_cart_value", _min_cart),
    ("value", _value),
    ("daily_limit", _daily_limit),
    ("budget", _budget),
)


def of_row(row: dict[str, Any]) -> Terms:
    """Terms from a row of promotion and discount joined (see catalogue.py)."""
    currency = row["currency"]

    def minor(name: str) -> int | None:
        return None if row[name] is None else money.to_minor(row[name], currency)

    share = row["discount_percentage"]
    return Terms(
        promotion_id=row["id"],
        name=row["name"],
        discount_type=row["discount_type"],
        basis_points=None if share is None else int(share * 100),
        flat=minor("discount_flat"),
        min_cart=minor("min_cart_value") or 0,
        cap=minor("max_discount_amount"),
        daily_limit=row["max_usage_per_customer_per_day"],
        currency=currency,
        timezone=row["timezone"],
        start_at=row["start_at"],
        end_at=row["end_at"],
        is_targeted=row["is_targeted"],
        is_paused=row["paused_at"] is not None,
        has_budget=row["has_budget"],
    )
