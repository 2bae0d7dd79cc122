"""Campaigns for tests: promotions that give a discount, in any status.

`CampaignFactory(budget=100, discount={"discount_flat": 1})` is active; without `discount` it gives
10 % of the cart.
"""

from typing import Any

from promotions.discounts.models import Discount
from promotions.models import Promotion
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory


class DraftCampaignFactory(PromotionFactory):
    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Promotion:
        terms = {"discount_type": "cart"} | kwargs.pop("discount", {})
        if "discount_flat" not in terms:
            terms.setdefault("discount_percentage", 10)

        def give(promotion: Promotion) -> None:
            Discount.objects.create(promotion=promotion, **terms)

        return super()._create(model_class, *args, while_draft=give, **kwargs)


class CampaignFactory(DraftCampaignFactory, ActivePromotionFactory):
    """Active, running, untargeted unless told otherwise."""
