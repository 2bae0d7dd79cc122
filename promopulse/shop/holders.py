"""Whose coupons are looked at, and by whom: one's own, or staff those of a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts import selectors as accounts
from accounts.models import User
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.shop import tokens
from promopulse.shop.access import person
from promopulse.shop.cards import Card
from promotions.coupons import codes
from promotions.coupons.models import Coupon
from promotions.coupons.states import State

# The tabs of a list, by the name they have in an address.
TABS = {
    "available": State.ASSIGNED,
    "locked": State.LOCKED,
    "redeemed": State.REDEEMED,
    "expired": State.EXPIRED,
}
ALL = "all"


@dataclass(frozen=True)
class Place:
    """The pages of one holder's coupons; they are the same for both kinds of readers."""

    holder: User
    by: User

    @property
    def is_own(self) -> bool:
        return self.holder.pk == self.by.pk

    @property
    def shows_codes(self) -> bool:
        """As in the API: one's own, and those of others to who may redeem them."""
        return self.is_own or reach_of(self.by, Permission.HANDLE_COUPON) is Reach.ALL

    @property
    def may_act(self) -> bool:
        reach = reach_of(self.by, Permission.HANDLE_COUPON)
        return reach is Reach.ALL or (reach is Reach.OWN and self.is_own)

    def url(self, name: str, *args: Any) -> str:
        if self.is_own:
            return reverse(f"my_{name}", args=args)
        return reverse(f"desk_person_{name}", args=[self.holder.pk, *args])

    def list_url(self, tab: str, *, is_showcase: bool) -> str:
        return f"{self.url('coupons')}?tab={tab}{'&showcase=1' if is_showcase else ''}"

    def card(self, request: HttpRequest, coupon: Coupon, now: datetime) -> Card:
        code = coupon.code if self.shows_codes else codes.masked(coupon.code)
        return Card(coupon, now, code, is_mine=tokens.of(request, coupon.pk) is not None)


def own(request: HttpRequest) -> Place:
    return Place(person(request), person(request))


def of(request: HttpRequest, user_id: int) -> Place:
    """Raises UserNotFound."""
    return Place(accounts.user_by_id(user_id), person(request))


def tab_of(wanted: str, *, is_showcase: bool) -> str:
    """The tab an address or a form names, or the first one."""
    if wanted in TABS or (wanted == ALL and is_showcase):
        return wanted
    return ALL if is_showcase else "available"


def tab_with(state: State, *, present: str) -> str:
    """Where a coupon that came to `state` is shown; where all are shown one stays."""
    return present if present == ALL else next(tab for tab in TABS if TABS[tab] == state)
