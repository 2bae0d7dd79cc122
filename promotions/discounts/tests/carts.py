"""What tests of the routes share: carts as they are sent, grants made by hand, stored rows."""

from decimal import Decimal
from typing import Any

from accounts.models import User
from promotions.discounts import services
from promotions.discounts.models import Discount, Redemption
from promotions.models import Budget, Promotion
from promotions.tests.trail import stored

APPLY = "/api/v1/discounts/apply"
RESERVATIONS = "/api/v1/reservations"
REDEMPTIONS = "/api/v1/redemptions"
MANY = {"max_usage_per_customer_per_day": 100}


def cart(campaign: Promotion, user: User, value: str = "100.00", **more: Any) -> dict[str, Any]:
    """The body of a request to apply or to reserve."""
    return {"campaign_id": campaign.pk, "customer_id": user.pk, "cart_value": value} | more


def grant(campaign: Promotion, user: User, **more: Any) -> Redemption:
    return services.grant(
        promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(100), **more
    )


def everything(campaign: Promotion) -> tuple[Any, ...]:
    """All that makes a campaign, as it is stored."""
    return (
        stored(campaign),
        Discount.objects.filter(promotion=campaign).values().first(),
        Budget.objects.filter(promotion=campaign).values().first(),
        sorted(campaign.targets.values_list("user_id", flat=True)),
    )
