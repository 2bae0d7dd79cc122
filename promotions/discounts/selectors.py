"""Reads across tables: how promotions and a user stand now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Case, DateTimeField, Func, Q, QuerySet, When

from accounts.errors import UserNotFound
from promopulse.lib import money
from promopulse.lib.sql import fetch_all, fetch_one
from promotions.discounts.errors import (
    CampaignNotFound,
    DiscountNotFound,
    RedemptionNotFound,
    ReservationNotFound,
)
from promotions.discounts.models import Discount, Redemption, Reservation, ReservationState
from promotions.discounts.rules import Standing, Terms
from promotions.models import Promotion, PromotionQuerySet
from promotions.selectors import get_promotion, readable

_ASKING = """
    SELECT coalesce((SELECT number FROM promotions_edition), 0), discounts_clock(),
        EXISTS (SELECT FROM accounts_user WHERE id = %(user_id)s AND erased_at IS NULL),
        ARRAY(
            SELECT promotion_id FROM promotions_promotiontarget WHERE user_id = %(user_id)s
            UNION
            SELECT target.promotion_id FROM accounts_poolmembership member
                JOIN promotions_promotiontarget target ON target.pool_id = member.pool_id
                WHERE member.user_id = %(user_id)s
        )
"""
# What overdue reservations hold is free already: a grant would take it.
_STANDINGS = """
    SELECT asked.id,
        budget.total - budget.reserved - budget.spent + coalesce((
            SELECT sum(amount) FROM discounts_reservation held
            WHERE held.promotion_id = asked.id AND held.state = 'open'
                AND held.expires_at <= %(at)s), 0),
        coalesce(today.used, 0) - CASE WHEN today.used > 0 THEN (
            SELECT count(*) FROM discounts_reservation held
            WHERE held.promotion_id = asked.id AND held.state = 'open'
                AND held.expires_at <= %(at)s AND held.user_id = %(user_id)s
                AND held.local_day = today.day) ELSE 0 END
    FROM unnest(%(ids)s::bigint[], %(zones)s::text[]) AS asked(id, zone)
    LEFT JOIN promotions_budget budget ON budget.promotion_id = asked.id
    LEFT JOIN discounts_dailyuse today ON today.promotion_id = asked.id
        AND today.user_id = %(user_id)s
        AND today.day = (%(at)s::timestamptz AT TIME ZONE asked.zone)::date
"""


@dataclass(frozen=True)
class Asking:
    """Who asks for discounts and when: the edition to read, the promotions aimed at them."""

    user_id: int
    edition: int
    at: datetime
    targeted: frozenset[int]


def asking(user_id: int) -> Asking:
    """Raises UserNotFound."""
    edition, at, known, targeted = fetch_one(_ASKING, {"user_id": user_id})
    if not known:
        raise UserNotFound()
    return Asking(user_id, edition, at, frozenset(targeted))


def standings(asking: Asking, some: Sequence[Terms]) -> dict[int, Standing]:
    """How each of these promotions stands for the user at the moment of asking, by its id."""
    if not some:
        return {}
    currencies = {terms.promotion_id: terms.currency for terms in some}
    rows = fetch_all(
        _STANDINGS,
        {
            "user_id": asking.user_id,
            "at": asking.at,
            "ids": list(currencies),
            "zones": [terms.timezone for terms in some],
        },
    )
    return {
        promotion_id: Standing(
            at=asking.at,
            is_target=promotion_id in asking.targeted,
            used_today=used,
            budget_left=None if left is None else money.to_minor(left, currencies[promotion_id]),
        )
        for promotion_id, left, used in rows
    }


def campaigns(*, by_customer: int | None = None) -> PromotionQuerySet:
    """Promotions with a discount, with all an answer needs: all for staff, for a customer those
    that are active and open to them."""
    promotions = readable(by_customer=by_customer).filter(discount__isnull=False)
    return promotions.select_related("budget", "discount")


def get_campaign(promotion_id: int, *, by_customer: int | None = None) -> Promotion:
    """One readable campaign. Raises CampaignNotFound."""
    campaign = campaigns(by_customer=by_customer).filter(pk=promotion_id).first()
    if campaign is None:
        raise CampaignNotFound()
    return campaign


def must_be_campaign(promotion_id: int) -> None:
    """Raises CampaignNotFound for a promotion that gives no discount."""
    if not Discount.objects.filter(promotion_id=promotion_id).exists():
        raise CampaignNotFound()


def get_discount(promotion_id: int, *, by_customer: int | None = None) -> Discount:
    """The discount of a readable promotion. Raises PromotionNotFound or DiscountNotFound."""
    promotion = get_promotion(promotion_id, by_customer=by_customer)
    discount = Discount.objects.filter(promotion=promotion).first()
    if discount is None:
        raise DiscountNotFound()
    discount.promotion = promotion
    return discount


class _Clock(Func):
    """The clock that triggers judge by."""

    template = "discounts_clock()"
    output_field = DateTimeField()


def get_reservation(reservation_id: int, *, of_user: int | None = None) -> Reservation:
    """A reservation as it stands: an open one that is overdue reads as expired.

    `of_user`: only if it is theirs. Raises ReservationNotFound.
    """
    overdue = Q(state=ReservationState.OPEN, expires_at__lte=_Clock())
    reservation = (
        Reservation.objects.filter(pk=reservation_id, **_theirs(of_user))
        .annotate(is_overdue=Case(When(overdue, then=True), default=False))
        .first()
    )
    if reservation is None:
        raise ReservationNotFound()
    if reservation.is_overdue:
        reservation.state = ReservationState.EXPIRED
    return reservation


def redemptions(
    *,
    of_user: int | None = None,
    promotion_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> "QuerySet[Redemption]":
    """Redemptions by their indexes; newest first is the page's business."""
    wanted: dict[str, Any] = {
        "user_id": of_user,
        "promotion_id": promotion_id,
        "granted_at__gte": since,
        "granted_at__lt": until,
    }
    return Redemption.objects.filter(
        **{name: value for name, value in wanted.items() if value is not None}
    )


def get_redemption(redemption_id: int, *, of_user: int | None = None) -> Redemption:
    """`of_user`: only if it is theirs. Raises RedemptionNotFound."""
    redemption = redemptions(of_user=of_user).filter(pk=redemption_id).first()
    if redemption is None:
        raise RedemptionNotFound()
    return redemption


def as_granted(redemption_id: int) -> Redemption:
    """A redemption as it was when it was granted."""
    redemption = Redemption.objects.get(pk=redemption_id)
    redemption.reversed = Decimal(0)
    return redemption


def as_held(reservation_id: int) -> Reservation:
    """A reservation as it was when it was made."""
    reservation = Reservation.objects.get(pk=reservation_id)
    reservation.state, reservation.closed_at = ReservationState.OPEN, None
    return reservation


def as_released(reservation_id: int) -> Reservation:
    """A reservation that was released: nothing changes it any more."""
    return Reservation.objects.get(pk=reservation_id)


def _theirs(user_id: int | None) -> dict[str, int]:
    return {} if user_id is None else {"user_id": user_id}
