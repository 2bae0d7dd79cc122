"""Campaigns: promotion, discount and budget in one flat body, made and edited together.

Fields have the words of shops: `start_date`, `total_budget`, `target_customer_ids`. Only promotions
with a discount are campaigns.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction

from promopulse.lib import money
from promopulse.lib.errors import Invalid
from promotions import rules as promotion_rules
from promotions import services as promotions
from promotions.discounts import selectors
from promotions.discounts import values as discount_values
from promotions.discounts.errors import CampaignNotFound
from promotions.discounts.models import Discount
from promotions.discounts.services.definition import set_discount
from promotions.errors import FieldLocked, PromotionNotFound
from promotions.models import Promotion
from promotions.services.changes import locked
from promotions.states import Status

_TIMES = {"start_at": "start_date", "end_at": "end_date"}
# What a shop calls the fields of promotions and budgets, where that is something else.
_WORDS = {**_TIMES, "target_user_ids": "target_customer_ids", "total": "total_budget"}
_OF_PROMOTION = (
    "name",
    "description",
    "start_at",
    "end_at",
    "timezone",
    "currency",
    "is_targeted",
    "target_user_ids",
)


def create_campaign(*, status: str = Status.ACTIVE, **fields: Any) -> Promotion:
    """Make a campaign, active at once unless `status` is draft: all of it or nothing.

    Naive times are read in its `timezone`. Raises Invalid or InvalidTimeRange.
    """
    with transaction.atomic(), _in_words_of_shops():
        total = _more_than_zero(fields.get("total_budget"))
        timezone = fields.get("timezone", "UTC")
        promotion = promotions.create_promotion(**_promotion_part(fields, timezone))
        set_discount(promotion.pk, values=_discount_part(fields))
        promotions.set_budget_total(promotion.pk, total=total)
        if status == Status.ACTIVE:
            promotions.change_status(promotion.pk, status=status)
        return promotion


def update_campaign(promotion_id: int, *, status: str | None = None, **fields: Any) -> None:
    """Change the given fields, then move it to `status` if one is given: all of it or nothing.

    A draft may change in everything, an active one in name and description; a stored value is no
    edit. Naming one kind of discount drops the other.
    Raises CampaignNotFound, FieldLocked (with every field it forbids), Invalid, InvalidTimeRange or
    InvalidTransition.
    """
    with transaction.atomic(), _in_words_of_shops():
        promotion, discount = _held(promotion_id)
        _must_be_exact(fields, fields.get("currency", promotion.currency))
        steps = [
            _edit_promotion(promotion, fields),
            _edit_discount(discount, fields),
            _edit_budget(promotion, fields),
        ]
        if _coarser(fields.get("currency"), promotion.currency):
            steps.reverse()  # amounts for the new currency fit the old one, not the other way round
        _take_all(filter(None, steps), promotion)
        if status is not None:
            promotions.change_status(promotion_id, status=status)


def change_campaign_status(promotion_id: int, *, status: str, reason: str = "") -> None:
    """Raises CampaignNotFound or InvalidTransition."""
    selectors.must_be_campaign(promotion_id)
    promotions.change_status(promotion_id, status=status, reason=reason)


def delete_campaign(promotion_id: int) -> None:
    """Drop a draft with all that belongs to it. Raises CampaignNotFound or PromotionInUse."""
    selectors.must_be_campaign(promotion_id)
    promotions.delete_promotion(promotion_id)


def duplicate(promotion_id: int, *, reason: str = "") -> Promotion:
    """A draft with the same window, audience, budget total and discount, nothing used yet.

    Raises PromotionNotFound.
    """
    with transaction.atomic():
        copy = promotions.duplicate(promotion_id, reason=reason)
        discount = Discount.objects.filter(promotion_id=promotion_id).first()
        if discount:
            set_discount(copy.pk, values=discount_values.of(discount), reason=reason)
        return copy


_Step = Callable[[], object]


def _held(promotion_id: int) -> tuple[Promotion, Discount]:
    """Both, kept from changing until the transaction ends. Raises CampaignNotFound."""
    try:
        promotion = locked(promotion_id)
    except PromotionNotFound:
        raise CampaignNotFound() from None
    discount = Discount.objects.filter(promotion=promotion).first()
    if discount is None:
        raise CampaignNotFound()
    return promotion, discount


def _take_all(steps: Iterable[_Step], promotion: Promotion) -> None:
    """Every edit; what their services lock is told at once."""
    forbidden: set[str] = set()
    for step in steps:
        try:
            step()
        except FieldLocked as refusal:
            forbidden.update(refusal.params["fields"])
    if forbidden:
        raise FieldLocked(forbidden, promotion.status)


def _edit_promotion(promotion: Promotion, fields: Mapping[str, Any]) -> _Step | None:
    part = _promotion_part(fields, fields.get("timezone", promotion.timezone))
    if not part:
        return None
    return partial(promotions.update_promotion, promotion.pk, changes=part)


def _edit_discount(discount: Discount, fields: Mapping[str, Any]) -> _Step | None:
    part = _discount_part(fields)
    if not part:
        return None
    values = discount_values.switched(discount_values.of(discount), part)
    return partial(set_discount, discount.promotion_id, values=values)


def _edit_budget(promotion: Promotion, fields: Mapping[str, Any]) -> _Step | None:
    if "total_budget" not in fields:
        return None
    budget = getattr(promotion, "budget", None)
    total = fields["total_budget"]
    if total != (budget.total if budget else None):
        total = _more_than_zero(total)
    return partial(promotions.set_budget_total, promotion.pk, total=total)


def _promotion_part(fields: Mapping[str, Any], timezone: Any) -> dict[str, Any]:
    part = {
        name: fields[word] for name in _OF_PROMOTION if (word := _WORDS.get(name, name)) in fields
    }
    promotion_rules.clean({"timezone": timezone})
    for name in _TIMES.keys() & part.keys():
        part[name] = promotion_rules.placed(name, part[name], timezone)
    return part


def _discount_part(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in discount_values.FIELDS if name in fields}


def _more_than_zero(total: Any) -> Decimal:
    if not isinstance(total, Decimal) or not total > 0:
        raise Invalid("total_budget", "More than zero is expected.", "min_value")
    return total


def _must_be_exact(fields: Mapping[str, Any], currency: str) -> None:
    for name in (*discount_values.MONEY, "total_budget"):
        if fields.get(name) is not None:
            promotion_rules.check_amount(name, fields[name], currency)


def _coarser(currency: Any, than: str) -> bool:
    return currency is not None and money.minor_unit(currency) > money.minor_unit(than)


@contextmanager
def _in_words_of_shops() -> Iterator[None]:
    """Refusals of the services below, with the fields named as the caller named them."""
    try:
        yield
    except FieldLocked as refusal:
        names = {_WORDS.get(name, name) for name in refusal.params["fields"]}
        raise FieldLocked(names, refusal.params["status"]) from None
    except Invalid as refusal:
        for error in refusal.errors:
            name = error["pointer"].removeprefix("/")
            error["pointer"] = f"/{_WORDS.get(name, name)}"
        raise
