"""What a promotion gives: said while it is a draft, fixed from then on."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from promotions import rules as promotion_rules
from promotions.discounts import values as discount_values
from promotions.discounts.errors import DiscountNotFound
from promotions.discounts.models import Discount
from promotions.errors import FieldLocked
from promotions.models import Promotion
from promotions.services.changes import commit, locked
from promotions.states import Status


def set_discount(
    promotion_id: int,
    *,
    values: Mapping[str, Any],
    expected_version: int | None = None,
    reason: str = "",
) -> Discount:
    """Make the discount of a draft what `values` say; what they leave out has its default.

    The values it has already are no edit, whatever the status.
    Raises PromotionNotFound, VersionConflict, FieldLocked or Invalid.
    """
    reason = promotion_rules.text("reason", reason, promotion_rules.MAX_REASON)
    with transaction.atomic():
        promotion = locked(promotion_id, expected_version=expected_version)
        wanted = discount_values.clean(values, promotion.currency)
        discount = Discount.objects.filter(promotion=promotion).first()
        stored = discount_values.of(discount) if discount else {}
        changed = discount_values.differing(stored, wanted)
        if discount and not changed:
            return discount
        if promotion.status != Status.DRAFT:
            raise FieldLocked(changed if discount else values, promotion.status)
        discount = discount or Discount(promotion=promotion)
        for name, value in changed.items():
            setattr(discount, name, value)
        discount.save()
        before = {name: stored[name] for name in changed if name in stored}
        _commit(promotion, "promotion.set_discount", before, changed, reason)
        return discount


def remove_discount(
    promotion_id: int, *, expected_version: int | None = None, reason: str = ""
) -> None:
    """Let a draft give nothing. Raises PromotionNotFound, VersionConflict, DiscountNotFound or
    FieldLocked."""
    reason = promotion_rules.text("reason", reason, promotion_rules.MAX_REASON)
    with transaction.atomic():
        promotion = locked(promotion_id, expected_version=expected_version)
        discount = Discount.objects.filter(promotion=promotion).first()
        if discount is None:
            raise DiscountNotFound()
        if promotion.status != Status.DRAFT:
            raise FieldLocked({"discount"}, promotion.status)
        stored = discount_values.of(discount)
        discount.delete()
        _commit(promotion, "promotion.remove_discount", stored, {}, reason)


def _commit(
    promotion: Promotion,
    action: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str,
) -> None:
    commit(
        promotion,
        action,
        before=discount_values.shown(before, promotion.currency),
        after=discount_values.shown(after, promotion.currency),
        reason=reason,
    )
