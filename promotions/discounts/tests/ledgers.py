"""What tests of money look at: balances, days, and whether every invariant holds."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models import User
from accounts.tests.factories import UserFactory
from promopulse.lib.invariants import violations
from promotions import invariants as of_promotions
from promotions.discounts import invariants as of_discounts
from promotions.discounts import services
from promotions.discounts.models import DailyUse, Redemption, Reservation
from promotions.models import Budget, Promotion

FLAT = {"discount_flat": 1}
MANY = FLAT | {"max_usage_per_customer_per_day": 1_000_000}


def grant(
    campaign: Promotion, user: User | None = None, cart: Any = 100, **more: Any
) -> Redemption:
    user_id = (user or UserFactory.create()).pk
    return services.grant(
        promotion_id=campaign.pk, user_id=user_id, cart_value=Decimal(cart), **more
    )


def reserve(
    campaign: Promotion, user: User | None = None, cart: Any = 100, **more: Any
) -> Reservation:
    user_id = (user or UserFactory.create()).pk
    return services.reserve(
        promotion_id=campaign.pk, user_id=user_id, cart_value=Decimal(cart), **more
    )


def balance(campaign: Promotion) -> tuple[Decimal, Decimal]:
    """What is reserved and what is spent."""
    budget = Budget.objects.get(promotion=campaign)
    return budget.reserved, budget.spent


def used(campaign: Promotion) -> int:
    """Uses of all days together."""
    return sum(DailyUse.objects.filter(promotion=campaign).values_list("used", flat=True))


def broken() -> list[str]:
    """The invariants that do not hold."""
    every = [*of_promotions.INVARIANTS, *of_discounts.INVARIANTS]
    return [one.words for one in every if violations(one)]


def clock_shows(at: datetime) -> None:
    """Stop the clock that discounts are judged by, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION discounts_clock() RETURNS timestamptz "
            f"LANGUAGE sql VOLATILE AS $$ SELECT '{at.isoformat()}'::timestamptz $$"
        )
