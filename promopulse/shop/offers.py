"""Offers for my cart: what it would be given now, and what is nearly within reach."""

from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.principals import client_of
from accounts.roles import Permission
from promopulse.lib import limits, money
from promopulse.lib.errors import DomainError
from promopulse.shop.access import page, person
from promopulse.shop.forms import OffersForm, name_fields
from promotions.discounts import offers
from promotions.discounts.nearest import nearest_missed
from promotions.discounts.offers import Offer, Offers
from promotions.discounts.wording import gift

# Reasons shown at most: a page is read, not searched.
REASONS_SHOWN = 30


@page(Permission.QUOTE)
def mine(request: HttpRequest) -> HttpResponse:
    """The limit of the API's discounts/available counts here too."""
    form = OffersForm(request.GET if "cart_value" in request.GET else None)
    shown: dict[str, Any] = {}
    if form.is_bound and form.is_valid():
        verdict = limits.hit("available", client_of(person(request)))
        if verdict is not None and not verdict.allowed:
            raise verdict.refusal()
        cart = form.cleaned_data | {"user_id": person(request).pk}
        cart["delivery_charge"] = cart["delivery_charge"] or Decimal(0)
        try:
            shown = _shown(cart)
        except DomainError as refusal:
            if not name_fields(form, refusal):
                raise
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "shop/offers.html", {"form": form, **shown}, status=status)


def _shown(cart: dict[str, Any]) -> dict[str, Any]:
    found = offers.available(**cart, include_ineligible=True)
    missed = nearest_missed(found, **cart)
    return {
        "asked": True,
        "groups": _groups(found),
        "missed": missed
        and {
            "name": missed.offer.terms.name,
            "gift": gift(missed.offer.terms),
            "add": money.in_words(missed.missing, missed.offer.terms.currency),
            "saved": _saved(missed.offer),
        },
        "reasons": [
            {"name": one.terms.name, "words": one.refusal.detail, "code": one.refusal.code}
            for one in found.ineligible[:REASONS_SHOWN]
        ],
        "more_reasons": max(0, len(found.ineligible) - REASONS_SHOWN),
    }


def _groups(found: Offers) -> list[dict[str, Any]]:
    kinds = (("For the cart", found.cart), ("For delivery", found.delivery))
    return [
        {"words": words, "offers": [_offer(offer) for offer in some]}
        for words, some in kinds
        if some
    ]


def _offer(offer: Offer) -> dict[str, str]:
    currency = offer.terms.currency
    return {
        "name": offer.terms.name,
        "gift": gift(offer.terms),
        "saved": _saved(offer),
        "original": money.in_words(offer.original, currency),
        "final": money.in_words(offer.final, currency),
        "limited_by": {
            "cap": "It gives no more than this.",
            "budget": "It is all the campaign has left.",
        }.get(offer.limited_by, ""),
    }


def _saved(offer: Offer) -> str:
    return money.in_words(offer.amount, offer.terms.currency)
