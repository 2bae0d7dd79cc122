"""What is done with one coupon: try an action, confirm its use, see its QR code."""

from decimal import Decimal
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render

from accounts.roles import Permission
from promopulse.lib.errors import DomainError, PermissionDenied
from promopulse.shop import acting, holders, showcase, tokens
from promopulse.shop.access import page
from promopulse.shop.acting import REDEEM, Done
from promopulse.shop.cards import Card
from promopulse.shop.forms import CartForm, name_fields
from promopulse.shop.holders import Place
from promopulse.shop.told import Told, redirect
from promotions.coupons import rules, wallet
from promotions.coupons.models import Coupon
from promotions.coupons.qr import drawn
from promotions.coupons.services.finding import clock
from promotions.coupons.services.redeeming import Cart


@page(Permission.SELF, methods="POST")
def act(request: HttpRequest, coupon_id: int) -> HttpResponse:
    return _act(request, holders.own(request), coupon_id)


@page(Permission.COUPONS_READ, methods="POST", everybodys=True)
def act_for(request: HttpRequest, user_id: int, coupon_id: int) -> HttpResponse:
    return _act(request, holders.of(request, user_id), coupon_id)


def _act(request: HttpRequest, place: Place, coupon_id: int) -> HttpResponse:
    """One action, named by the button that was pressed: with the token of this browser's lock or
    without. In the showcase also one that the role does not have."""
    with_token = "with_token" in request.POST
    action = request.POST.get("with_token" if with_token else "action", "")
    if action not in acting.ACTIONS:
        raise Http404
    coupon = wallet.coupon(place.holder.pk, coupon_id)
    is_showcase = showcase.is_asked_for(request)
    cart = showcase.CART if is_showcase and coupon.book.promotion_id else None
    asked = _request(request, place, coupon, action, cart, with_token=with_token)
    if not (asked.is_allowed or is_showcase):
        raise PermissionDenied()
    return _go_on(request, place, asked, acting.attempt(asked))


@page(Permission.SELF, methods="GET POST")
def use(request: HttpRequest, coupon_id: int) -> HttpResponse:
    return _use(request, holders.own(request), coupon_id)


@page(Permission.COUPONS_READ, methods="GET POST", everybodys=True)
def use_for(request: HttpRequest, user_id: int, coupon_id: int) -> HttpResponse:
    return _use(request, holders.of(request, user_id), coupon_id)


def _use(request: HttpRequest, place: Place, coupon_id: int) -> HttpResponse:
    """Asks once before a coupon is used; where its campaign needs the cart, asks for it too."""
    if not place.may_act:
        raise PermissionDenied()
    coupon = wallet.coupon(place.holder.pk, coupon_id)
    card = place.card(request, coupon, clock())
    form = cart_form(request.POST if request.method == "POST" else None, card)
    if request.method != "POST":
        return _confirmation(request, place, card, form)
    if not form.is_valid():
        return _confirmation(request, place, card, form, status=422)
    asked = _request(request, place, coupon, REDEEM, cart_of(card, form), with_token=True)
    try:
        return _go_on(request, place, asked, acting.act(asked))
    except DomainError as refusal:
        told = Told.of(refusal, about=acting.about(coupon), action=REDEEM)
        if not card.needs_cart:
            return _go_on(request, place, asked, Done(told))
        named = name_fields(form, refusal)
        shown = None if named else told
        return _confirmation(request, place, card, form, told=shown, status=refusal.status)


def cart_form(given: QueryDict | None, card: Card) -> forms.Form:
    """Asks for the cart where the coupon's campaign needs it; else for nothing."""
    if not card.needs_cart:
        return forms.Form(given)
    return CartForm(given, currency=card.currency, with_delivery=card.is_delivery)


def cart_of(card: Card, form: forms.Form) -> Cart | None:
    if not card.needs_cart:
        return None
    given = form.cleaned_data
    return Cart(given["cart_value"], given.get("delivery_charge", Decimal(0)), card.currency)


def _confirmation(
    request: HttpRequest,
    place: Place,
    card: Card,
    form: forms.Form,
    *,
    told: Told | None = None,
    status: int = 200,
) -> HttpResponse:
    shown: dict[str, Any] = {
        "place": place,
        "card": card,
        "form": form,
        "told": told,
        "back": place.list_url(holders.tab_with(card.state, present=""), is_showcase=False),
    }
    return render(request, "shop/use.html", shown, status=status)


@page(Permission.SELF)
def qr(request: HttpRequest, coupon_id: int) -> HttpResponse:
    return _qr(request, holders.own(request), coupon_id)


@page(Permission.COUPONS_READ, everybodys=True)
def qr_for(request: HttpRequest, user_id: int, coupon_id: int) -> HttpResponse:
    return _qr(request, holders.of(request, user_id), coupon_id)


def _qr(request: HttpRequest, place: Place, coupon_id: int) -> HttpResponse:
    if not place.shows_codes:
        raise PermissionDenied()
    card = place.card(request, wallet.coupon(place.holder.pk, coupon_id), clock())
    back = place.list_url(holders.tab_with(card.state, present=""), is_showcase=False)
    shown = {
        "place": place,
        "card": card,
        "drawn": drawn(card.code, is_named=True),
        "back": back,
    }
    return render(request, "shop/qr.html", shown)


# What the views share


def _request(
    request: HttpRequest,
    place: Place,
    coupon: Coupon,
    action: str,
    cart: Cart | None,
    *,
    with_token: bool,
) -> acting.Request:
    token = tokens.of(request, coupon.pk) if with_token else None
    return acting.Request(action, coupon, place.holder.pk, place.by, token, cart)


def _go_on(
    request: HttpRequest, place: Place, asked: acting.Request, done: Done
) -> HttpResponseRedirect:
    """Back to the list, to the tab that has the coupon now."""
    is_showcase = showcase.is_asked_for(request)
    tab = holders.tab_of(request.POST.get("tab", ""), is_showcase=is_showcase)
    if done.state is not None:
        tab = holders.tab_with(done.state, present=tab)
    response = redirect(request, place.list_url(tab, is_showcase=is_showcase), done.told)
    if done.lock is not None:
        tokens.keep(response, asked.coupon.pk, done.lock.token, rules.DEFAULT_LOCK)
    elif done.state is not None:
        tokens.forget(response, asked.coupon.pk)
    return response
