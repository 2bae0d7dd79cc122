"""Reads across tables: how promotions and a user stand now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.errors import UserNotFound
from promopulse.lib import money
from promopulse.lib.sql import fetch_all, fetch_one
from promotions.discounts.rules import Standing, Terms

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
