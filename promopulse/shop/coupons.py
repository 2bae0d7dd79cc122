"""The list of coupons, in tabs: my own, or a person's for staff."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.roles import Permission
from promopulse.shop import acting, holders, showcase
from promopulse.shop.access import page
from promopulse.shop.forms import CodeForm
from promopulse.shop.holders import ALL, TABS, Place
from promopulse.shop.paging import listed
from promopulse.shop.told import Told, told_in
from promotions.coupons import wallet
from promotions.coupons.models import Coupon
from promotions.coupons.wallet import Counts

A_PAGE = 12


@page(Permission.SELF)
def mine(request: HttpRequest) -> HttpResponse:
    return _list(request, holders.own(request))


@page(Permission.COUPONS_READ, everybodys=True)
def of_person(request: HttpRequest, user_id: int) -> HttpResponse:
    return _list(request, holders.of(request, user_id))


def _list(request: HttpRequest, place: Place) -> HttpResponse:
    is_showcase = showcase.is_asked_for(request)
    tab = holders.tab_of(request.GET.get("tab", ""), is_showcase=is_showcase)
    counts = wallet.counts(place.holder.pk)
    found = wallet.coupons(place.holder.pk, at=counts.at, state=TABS.get(tab))
    shown, told = listed(request, found, A_PAGE), told_in(request)
    tickets = [_ticket(request, place, coupon, counts, told, is_showcase) for coupon in shown.rows]
    return render(
        request,
        "shop/coupons.html",
        {
            "place": place,
            "tickets": tickets,
            "page": shown,
            "tab": tab,
            "tabs": _tabs(place, counts, tab, is_showcase),
            "total": counts.total,
            "showcase": is_showcase,
            "other_mode": (
                place.list_url("available" if tab == ALL else tab, is_showcase=False)
                if is_showcase
                else place.list_url(ALL, is_showcase=True)
            ),
            "code_form": CodeForm() if place.is_own and place.may_act else None,
            "may_showcase": showcase.is_open_to(request),
            # A coupon that is not on this page: what became of it is told above.
            "told": None if any(ticket["told"] for ticket in tickets) else told,
        },
    )


def _tabs(place: Place, counts: Counts, tab: str, is_showcase: bool) -> list[dict[str, Any]]:
    keys = [ALL, *TABS] if is_showcase else list(TABS)
    return [
        {
            "words": key.capitalize(),
            "count": counts.total if key == ALL else getattr(counts, key),
            "url": place.list_url(key, is_showcase=is_showcase),
            "here": key == tab,
        }
        for key in keys
    ]


def _ticket(
    request: HttpRequest,
    place: Place,
    coupon: Coupon,
    counts: Counts,
    told: Told | None,
    is_showcase: bool,
) -> dict[str, Any]:
    """A card, its addresses, what to tell beside it, and all that can be tried on it."""
    card = place.card(request, coupon, counts.at)
    return {
        "card": card,
        "told": told if told and told.about == acting.about(coupon) else None,
        "tries": showcase.tries(request, place, card) if is_showcase else [],
        "use_url": place.url("use", coupon.pk),
        "qr_url": place.url("qr", coupon.pk) if place.shows_codes else "",
        "act_url": place.url("act", coupon.pk),
    }
