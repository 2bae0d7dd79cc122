"""The showcase: every action on every card, legal or not, with what the API answers to it."""

import json
import shlex
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest

from promopulse.shop import acting
from promopulse.shop.access import person
from promopulse.shop.acting import ASSIGN, LOCK, REDEEM, UNLOCK
from promopulse.shop.cards import Card
from promopulse.shop.holders import Place
from promotions.coupons import states
from promotions.coupons.services.redeeming import Cart
from promotions.coupons.states import Action

_ACTIONS = {
    REDEEM: Action.REDEEM,
    LOCK: Action.LOCK,
    UNLOCK: Action.UNLOCK,
    ASSIGN: Action.ASSIGN,
}


# In the showcase a cart is not asked for.
CART = Cart(Decimal(100), Decimal(10))


@dataclass(frozen=True)
class Try:
    """One button: the action, whether the lock's token goes with it, and what it is called."""

    action: str
    words: str
    with_token: bool
    will_fail: bool
    curl: str


def is_open_to(request: HttpRequest) -> bool:
    """For staff everywhere, for customers in a demo."""
    return person(request).is_staff or settings.DEMO


def is_asked_for(request: HttpRequest) -> bool:
    wanted = request.POST if request.method == "POST" else request.GET
    return wanted.get("showcase") == "1" and is_open_to(request)


def tries(request: HttpRequest, place: Place, card: Card) -> list[Try]:
    """All that can be tried on a card by whoever looks at it."""
    ways = [(REDEEM, False), (LOCK, False), (UNLOCK, False), (ASSIGN, False)]
    if card.is_locked and card.is_mine:
        ways = [(REDEEM, False), (REDEEM, True), (LOCK, False), (UNLOCK, True), (ASSIGN, False)]
    return [_try(request, place, card, action, with_token) for action, with_token in ways]


def _try(request: HttpRequest, place: Place, card: Card, action: str, with_token: bool) -> Try:
    fails = _will_fail(place, card, action, with_token)
    name = action
    if card.is_locked and action in (REDEEM, UNLOCK):
        name += " with the token" if with_token else " without the token"
    label = f"Try {name} (will fail)" if fails else name.capitalize()
    return Try(action, label, with_token, fails, curl(request, place, card, action, with_token))


def _will_fail(place: Place, card: Card, action: str, with_token: bool) -> bool:
    if not acting.Request(action, card.coupon, place.holder.pk, place.by).is_allowed:
        return True
    if card.is_locked and action in (REDEEM, UNLOCK):
        return not with_token
    if card.note and action in (REDEEM, LOCK):
        return True
    return states.refusal(_ACTIONS[action], card.state) is not None


def curl(request: HttpRequest, place: Place, card: Card, action: str, with_token: bool) -> str:
    """The same request to the API. The token of a person or a key is the reader's own."""
    url = request.build_absolute_uri(f"/api/v1/coupons/{action}/{quote(card.code, safe='')}")
    body: dict[str, object] = {"user_id": place.holder.pk}
    if with_token:
        body["lock_token"] = "..."
    if action == REDEEM and card.needs_cart:
        body |= {"cart_value": "100.00", "delivery_charge": "10.00"}
    return " \\\n  ".join(
        [
            f"curl -X POST {shlex.quote(url)}",
            '-H "Authorization: Bearer $TOKEN"',
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(body))}",
        ]
    )
