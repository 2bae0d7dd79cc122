"""My activity: what was saved, which coupons were used, what one is subscribed to."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.roles import Permission
from promopulse.lib import money
from promopulse.lib.admin import shown
from promopulse.lib.admin.shown import Tone
from promopulse.lib.errors import DomainError
from promopulse.lib.time import db_now
from promopulse.shop import words
from promopulse.shop.access import page, person
from promopulse.shop.paging import listed
from promopulse.shop.told import Told, redirect, told_in
from promotions.coupons.models import CouponRedemption
from promotions.discounts.models import Redemption
from subscriptions import selectors, services
from subscriptions.models import Subscription

A_PAGE = 20


@dataclass(frozen=True)
class Line:
    """One thing that happened: when, what, and how much it was worth."""

    pk: int
    at: Any
    when: str
    title: str
    details: tuple[str, ...]
    amount: str = ""
    badge: str = ""
    move: str = ""


def _saved(user_id: int) -> Any:
    return Redemption.objects.filter(user_id=user_id).select_related("promotion")


def _of_saved(redemption: Redemption) -> Line:
    zone, currency = redemption.promotion.zone, redemption.currency
    paid = money.in_words(redemption.final_amount, currency)
    details = [f"{money.in_words(redemption.original_amount, currency)} became {paid}"]
    if redemption.order_id:
        details.append(f"Order {redemption.order_id}")
    if redemption.reversed:
        details.append(f"{money.in_words(redemption.reversed, currency)} of it was taken back")
    return Line(
        redemption.pk,
        redemption.granted_at,
        shown.moment(redemption.granted_at, zone),
        redemption.promotion.name,
        tuple(details),
        money.in_words(redemption.left, currency),
    )


def _used(user_id: int) -> Any:
    found = CouponRedemption.objects.filter(user_id=user_id)
    return found.select_related("coupon", "book", "reversal", "discount").defer("metadata")


def _of_used(use: CouponRedemption) -> Line:
    details = [use.coupon.code]
    if use.order_id:
        details.append(f"Order {use.order_id}")
    saved = money.in_words(use.discount.left, use.discount.currency) if use.discount else ""
    back = shown.badge("again", "Given back", Tone.CALM) if use.is_reversed else ""
    when = shown.moment(use.created_at)
    return Line(use.pk, use.created_at, when, use.book.name, tuple(details), saved, back)


def _subscribed(user_id: int) -> Any:
    return selectors.subscriptions_of(user_id=user_id).select_related("promotion")


def _of_subscribed(subscription: Subscription) -> Line:
    zone = subscription.promotion.zone
    badge = shown.badge("check", "Subscribed", Tone.GOOD)
    details: tuple[str, ...] = ()
    if subscription.deactivated_at is not None:
        badge = shown.badge("none", "Left", Tone.CALM)
        details = (f"Left {shown.moment(subscription.deactivated_at, zone)}",)
    return Line(
        subscription.pk,
        subscription.subscribed_at,
        f"Since {shown.moment(subscription.subscribed_at, zone)}",
        subscription.promotion.name,
        details,
        badge=badge,
        move="leave" if subscription.is_active else "return",
    )


# Tab: its words, the query, a row as a line, and what an empty one says.
_TABS: dict[str, tuple[str, Any, Any, str, str]] = {
    "saved": (
        "Savings",
        _saved,
        _of_saved,
        "Nothing saved yet",
        "Every discount you are given is listed here, with its order.",
    ),
    "coupons": (
        "Coupons used",
        _used,
        _of_used,
        "No coupon used yet",
        "Every use of a coupon is listed here.",
    ),
    "subscriptions": (
        "Subscriptions",
        _subscribed,
        _of_subscribed,
        "No subscriptions",
        "Campaigns that you opt in to are listed here. You can leave each at any time.",
    ),
}


@page(Permission.SELF)
def mine(request: HttpRequest) -> HttpResponse:
    wanted = request.GET.get("tab", "")
    tab = wanted if wanted in _TABS else next(iter(_TABS))
    name, query, line, nothing, why = _TABS[tab]
    found = listed(request, query(person(request).pk), A_PAGE)
    now = db_now()
    lines = [(one, words.away(one.at, now)) for one in map(line, found.rows)]
    tabs = [
        {"words": words_of[0], "url": f"?tab={key}", "here": key == tab}
        for key, words_of in _TABS.items()
    ]
    context = {"tabs": tabs, "lines": lines, "page": found, "name": name, "told": told_in(request)}
    return render(request, "shop/activity.html", context | {"nothing": nothing, "why": why})


@page(Permission.SUBSCRIBE, methods="POST")
def move_subscription(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """Leave a campaign or come back to it."""
    moves = {"leave": services.deactivate, "return": services.reactivate}
    move = moves.get(request.POST.get("move", ""))
    if move is None:
        raise Http404
    here = f"{reverse('my_activity')}?tab=subscriptions"
    try:
        done = move(subscription_id, of_user=person(request).pk)
    except DomainError as refusal:
        if refusal.status == 404:
            raise
        return redirect(request, here, Told.of(refusal))
    said = "You are subscribed again." if done.is_active else "You have left the campaign."
    return redirect(request, here, Told(200, said))
