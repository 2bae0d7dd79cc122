"""A coupon as a card: what it gives, how long, and what may be done with it. No queries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from promopulse.lib import money
from promopulse.lib.admin import shown
from promopulse.lib.admin.shown import Tone
from promopulse.shop import words
from promotions.coupons.models import Coupon, CouponBook
from promotions.coupons.states import State
from promotions.discounts.models import DiscountType
from promotions.discounts.wording import sentence
from promotions.models import Promotion
from promotions.states import EffectiveStatus

_BADGES = {
    State.UNASSIGNED: ("ticket", "Free", Tone.CALM),
    State.ASSIGNED: ("ticket", "Available", Tone.GOOD),
    State.LOCKED: ("lock", "Locked", Tone.WAIT),
    State.REDEEMED: ("check", "Redeemed", Tone.CALM),
    State.EXPIRED: ("past", "Expired", Tone.WARN),
}


@dataclass(frozen=True)
class Moment:
    """A point in time: by the clocks of a zone, and how far away it is."""

    at: datetime
    words: str
    away: str


@dataclass(frozen=True)
class Card:
    """`used` is how often its holder has used the book; `is_mine`: this browser holds its lock."""

    coupon: Coupon
    now: datetime
    code: str
    is_mine: bool = False

    @property
    def book(self) -> CouponBook:
        return self.coupon.book

    @property
    def state(self) -> State:
        return self.coupon.state_at(self.now)

    @property
    def is_over(self) -> bool:
        return self.state in (State.REDEEMED, State.EXPIRED)

    @property
    def is_locked(self) -> bool:
        return self.state == State.LOCKED

    @property
    def is_open(self) -> bool:
        return self.state == State.ASSIGNED

    @property
    def badge(self) -> SafeString:
        return shown.badge(*_BADGES[self.state])

    @property
    def _promotion(self) -> Promotion | None:
        return self.book.promotion

    @property
    def _zone(self) -> ZoneInfo:
        return self._promotion.zone if self._promotion else shown.UTC_ZONE

    @property
    def _discount(self) -> Any:
        return getattr(self._promotion, "discount", None)

    @property
    def needs_cart(self) -> bool:
        return self._promotion is not None

    @property
    def currency(self) -> str:
        return self._promotion.currency if self._promotion else ""

    @property
    def is_delivery(self) -> bool:
        return getattr(self._discount, "discount_type", "") == DiscountType.DELIVERY

    @property
    def asks_first(self) -> bool:
        """Whether using it is confirmed on a page of its own: it could not be tried again."""
        return self.needs_cart or self.coupon.max_redemptions == 1

    @property
    def offer(self) -> str:
        """What it gives, in one sentence; empty where the shop alone knows."""
        if self._promotion is None or self._discount is None:
            return ""
        return sentence(self._discount, self._promotion.currency)

    @property
    def headline(self) -> str:
        return self.offer or self.book.name

    @property
    def min_cart(self) -> str:
        if self._promotion is None or not getattr(self._discount, "min_cart_value", 0):
            return ""
        return money.in_words(self._discount.min_cart_value, self._promotion.currency)

    @property
    def until(self) -> Moment | None:
        """When it can no longer be used: its book or its campaign ends, whichever is first."""
        ends = [self.book.expires_at, self._promotion.end_at if self._promotion else None]
        found = min((end for end in ends if end is not None), default=None)
        return self._moment(found) if found else None

    @property
    def redeemed(self) -> Moment | None:
        at = self.coupon.redeemed_at
        return self._moment(at) if at else None

    @property
    def locked_until(self) -> datetime | None:
        return self.coupon.locked_until if self.is_locked else None

    @property
    def lock_left(self) -> str:
        return words.left(self.locked_until - self.now) if self.locked_until else ""

    @property
    def uses(self) -> str:
        """`3 of 10`; empty for codes that have one use. Where the book allows its holder fewer,
        those come first."""
        most, left = self.coupon.max_redemptions, self.coupon.uses_left
        if most == 1:
            return ""
        in_all = f"{left:,} of {most:,}"
        limit = self.book.max_redemptions_per_user
        if limit is None or limit - self._used >= left:
            return in_all
        return f"{max(0, limit - self._used):,} for you, {in_all} in all"

    @property
    def _used(self) -> int:
        return getattr(self.coupon, "used", None) or 0

    @property
    def note(self) -> str:
        """Why an open coupon cannot be used at this moment; empty where nothing is in its way."""
        if self.is_over:
            return ""
        limit = self.book.max_redemptions_per_user
        if limit is not None and self._used >= limit:
            return f"You have used this book as often as it allows ({self._used}/{limit})."
        if not self.book.is_active:
            return "Switched off at the moment."
        if self._promotion is None:
            return ""
        status = self._promotion.effective_status(self.now)
        if status == EffectiveStatus.SCHEDULED:
            start = self._moment(self._promotion.start_at)
            return f"Begins {start.words} ({start.away})."
        return {
            EffectiveStatus.DRAFT: "Its campaign has not begun.",
            EffectiveStatus.PAUSED: "Its campaign is paused at the moment.",
            EffectiveStatus.BUDGET_EXHAUSTED: "The budget of its campaign is used up.",
            EffectiveStatus.EXPIRED: "Its campaign is over.",
            EffectiveStatus.ENDED: "Its campaign is over.",
        }.get(status, "")

    def _moment(self, at: datetime) -> Moment:
        return Moment(at, shown.moment(at, self._zone), words.away(at, self.now))
