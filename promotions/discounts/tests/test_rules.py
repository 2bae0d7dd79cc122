"""Prices and reasons: what holds for every discount, cart and order of campaigns."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from promopulse.lib import money
from promotions.discounts import offers
from promotions.discounts.rules import Cart, Standing, Terms, price, refusal
from promotions.discounts.selectors import Asking

AT = datetime(2026, 6, 1, tzinfo=UTC)
LARGEST = 10**15 - 1  # what the columns hold, in thousandths


def terms(number, **kwargs):
    """Terms that apply to every cart unless told otherwise."""
    defaults = {
        "promotion_id": number,
        "name": "",
        "discount_type": "cart",
        "basis_points": None,
        "flat": None,
        "min_cart": 0,
        "cap": None,
        "daily_limit": 1,
        "currency": "USD",
        "timezone": "UTC",
        "start_at": AT - timedelta(days=1),
        "end_at": AT + timedelta(days=1 + number % 3),
        "is_targeted": False,
        "is_paused": False,
        "has_budget": False,
    }
    return Terms(**defaults | kwargs)


amounts = st.integers(0, 300) | st.integers(0, LARGEST)
kinds = st.one_of(
    st.fixed_dictionaries({"basis_points": st.integers(1, 10_000)}),
    st.fixed_dictionaries({"flat": amounts.filter(bool)}),
)


@st.composite
def every_terms(draw, number=1, currencies=("JPY", "USD", "KWD")):
    return terms(
        number,
        **draw(kinds),
        discount_type=draw(st.sampled_from(["cart", "delivery"])),
        cap=draw(st.none() | amounts.filter(bool)),
        min_cart=draw(st.just(0) | amounts),
        currency=draw(st.sampled_from(currencies)),
    )


carts = st.builds(Cart, value=amounts, delivery=amounts)


@given(every_terms(), carts, st.none() | amounts)
def test_an_amount_is_never_negative_and_never_above_any_of_its_caps(one, cart, left):
    priced = price(one, cart)
    original = cart.value if one.discount_type == "cart" else cart.delivery
    computed = one.flat if one.flat is not None else _computed(one, original)
    caps = [computed, original] + ([one.cap] if one.cap is not None else [])
    assert priced.amount == min(caps) >= 0
    assert priced.original == original
    assert priced.limited_by == _limit(priced.amount, computed, one.cap)
    candidate = offers._candidate(one, priced)
    units = offers._granted(candidate, Standing(AT, budget_left=left))
    assert units == (priced.amount if left is None else min(priced.amount, left))


def _computed(one, original):
    share = money.from_minor(original, one.currency) * Decimal(one.basis_points) / 10_000
    return money.to_minor(money.round_money(share, one.currency), one.currency)


def _limit(amount, computed, cap):
    if amount == computed:
        return ""
    return "cap" if amount == cap else "value"


@given(every_terms(), carts, st.integers(0, 10_000))
def test_more_in_the_cart_never_gives_less(one, cart, more):
    larger = Cart(cart.value + more, cart.delivery + more)
    assert price(one, larger).amount >= price(one, cart).amount


@given(every_terms(), carts)
def test_a_discount_applies_exactly_where_the_cart_is_large_enough_and_something_is_given(
    one, cart
):
    applies = cart.value >= one.min_cart and price(one, cart).amount > 0
    assert (refusal(one, cart, Standing(AT)) is None) == applies


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6))
def test_the_order_of_campaigns_is_irrelevant(data, limit):
    count = data.draw(st.integers(1, 8))
    campaigns = [data.draw(every_terms(number, currencies=["USD"])) for number in range(count)]
    standing = {
        one.promotion_id: Standing(
            AT,
            used_today=data.draw(st.integers(0, 1)),
            budget_left=data.draw(st.none() | st.integers(0, 400)),
        )
        for one in campaigns
    }
    cart = offers.Carts(Decimal(data.draw(st.integers(0, 500))), Decimal(7), None)
    asking = Asking(user_id=1, edition=0, at=AT, targeted=frozenset())

    def best(some):
        with patch.object(offers.selectors, "standings", lambda _asking, _some: standing):
            few = offers._best(offers._priced(some, cart, asking), asking, limit)
            every = offers._judged(some, cart, asking, limit)
        return few, every

    in_order = best(campaigns)
    assert best(data.draw(st.permutations(campaigns)))[0] == in_order[0]
    shuffled = best(data.draw(st.permutations(campaigns)))[1]
    assert (shuffled.cart, shuffled.delivery) == (in_order[1].cart, in_order[1].delivery)
    assert [one.terms for one in shuffled.ineligible] == [
        one.terms for one in in_order[1].ineligible
    ]
    amounts = [offer.amount for offer in in_order[0]]
    assert amounts == sorted(amounts, reverse=True)
