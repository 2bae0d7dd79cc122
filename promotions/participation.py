"""Whether a user may take part in a promotion: one judgement for every door."""

from datetime import datetime

from promopulse.lib.time import rfc3339
from promotions.errors import (
    NotTargeted,
    PromotionExpired,
    PromotionNotFound,
    PromotionPaused,
    not_active,
)
from promotions.models import Promotion
from promotions.states import Status

_SHARE = "SELECT * FROM promotions_promotion WHERE id = %s FOR SHARE"


def hold_open(promotion_id: int) -> Promotion:
    """The promotion, kept from ending, pausing or changing until the transaction ends.

    Those who take part do not wait for each other. Raises PromotionNotFound.
    """
    for promotion in Promotion.objects.raw(_SHARE, [promotion_id]):
        return promotion
    raise PromotionNotFound()


def must_be_joinable(promotion: Promotion, user_id: int, *, at: datetime) -> None:
    """Whether a user may opt in at `at`; ahead of the start is early, not wrong.

    Raises PromotionNotActive, PromotionEnded, PromotionExpired, PromotionPaused or NotTargeted.
    """
    if promotion.status != Status.ACTIVE:
        raise not_active(promotion)
    if at >= promotion.end_at:
        raise PromotionExpired(ended_at=rfc3339(promotion.end_at))
    if promotion.paused_at is not None:
        raise PromotionPaused()  # why is for staff
    if promotion.is_targeted and not is_aimed_at(promotion, user_id):
        raise NotTargeted()


def is_aimed_at(promotion: Promotion, user_id: int) -> bool:
    """Whether a targeted promotion names this user or a pool of theirs."""
    return Promotion.objects.open_to(user_id).filter(pk=promotion.pk).exists()
