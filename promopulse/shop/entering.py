"""A code that somebody was told, such as SUMMER20: looked up, shown with what it gives, used.

Unknown codes and those of others are refused alike, and looks that fail are limited, as in the API
and together with it.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from accounts.roles import Permission
from promopulse.lib import limits
from promopulse.lib.errors import DomainError, PermissionDenied
from promopulse.shop import acting, holders, tokens
from promopulse.shop.access import page
from promopulse.shop.acting import REDEEM
from promopulse.shop.cards import Card
from promopulse.shop.forms import CodeForm, name_fields
from promopulse.shop.holders import Place
from promopulse.shop.told import Told, redirect
from promopulse.shop.using import cart_form, cart_of
from promotions.coupons import wallet
from promotions.coupons.guessing import guesses_limited
from promotions.coupons.models import Coupon
from promotions.coupons.services.finding import clock


@page(Permission.SELF, methods="GET POST")
def enter(request: HttpRequest) -> HttpResponse:
    """Asks for a code, then whether to use it (and for the cart where its campaign needs it)."""
    place = holders.own(request)
    if not place.may_act:
        raise PermissionDenied()
    form = CodeForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _asking(request, place, form, status=422 if form.is_bound else 200)
    try:
        with guesses_limited(*_guessers(request)):
            coupon = wallet.with_code(form.cleaned_data["code"], user_id=place.holder.pk)
            return _go_on(request, place, coupon)
    except DomainError as refusal:
        form.add_error("code", refusal.detail)
        response = _asking(request, place, form, status=refusal.status)
        if retry_after := refusal.params.get("retry_after"):
            response.headers["Retry-After"] = str(retry_after)
        return response


def _guessers(request: HttpRequest) -> list[str]:
    """The same names as the API counts by."""
    return [f"user:{request.user.pk}", f"address:{limits.address_of(request)}"]


def _asking(request: HttpRequest, place: Place, form: CodeForm, *, status: int) -> HttpResponse:
    return render(request, "shop/code.html", {"place": place, "form": form}, status=status)


def _go_on(request: HttpRequest, place: Place, coupon: Coupon) -> HttpResponse:
    card = place.card(request, coupon, clock())
    is_asked = "use" in request.POST
    cart = cart_form(request.POST if is_asked else None, card)
    if not is_asked:
        return _confirmation(request, place, card, cart)
    if not cart.is_valid():
        return _confirmation(request, place, card, cart, status=422)
    token = tokens.of(request, coupon.pk)
    asked = acting.Request(REDEEM, coupon, place.holder.pk, place.by, token, cart_of(card, cart))
    try:
        done = acting.act(asked)
    except DomainError as refusal:
        if refusal.code == "coupon_not_found":
            raise
        told = Told.of(refusal, about=acting.about(coupon), action=REDEEM)
        shown = None if name_fields(cart, refusal) else told
        return _confirmation(request, place, card, cart, told=shown, status=refusal.status)
    response: HttpResponseRedirect = redirect(request, place.url("coupons"), done.told)
    tokens.forget(response, coupon.pk)
    return response


def _confirmation(
    request: HttpRequest,
    place: Place,
    card: Card,
    cart: object,
    *,
    told: Told | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = {
        "place": place,
        "card": card,
        "form": cart,
        "told": told,
        "entered": card.coupon.code,
        "back": place.url("coupons"),
    }
    return render(request, "shop/use.html", shown, status=status)
