"""A promotion's life: draft -> active -> ended, and the brake beside it."""

from django.db import transaction

from promopulse.lib import time
from promotions import rules
from promotions.errors import InvalidTransition, not_active
from promotions.models import Promotion
from promotions.services.changes import commit, locked
from promotions.states import Status, can_move

_ACTIONS = {Status.ACTIVE: "promotion.activate", Status.ENDED: "promotion.end"}
_STAMPS = {Status.ACTIVE: "activated_at", Status.ENDED: "ended_at"}


def change_status(
    promotion_id: int, *, status: str, reason: str = "", expected_version: int | None = None
) -> Promotion:
    """Move a promotion on. The status it has already is no change.

    A window in the past is no obstacle: imported campaigns ran before they got here.
    Raises PromotionNotFound, VersionConflict or InvalidTransition.
    """
    reason = rules.text("reason", reason, rules.MAX_REASON)
    wanted = Status(status)
    with transaction.atomic():
        promotion = locked(promotion_id, expected_version=expected_version)
        if promotion.status == wanted:
            return promotion
        if not can_move(promotion.status, wanted):
            raise InvalidTransition(promotion.status, wanted)
        at = time.db_now()
        columns = {"status": wanted, _STAMPS[wanted]: at}
        commit(promotion, _ACTIONS[wanted], columns=columns, reason=reason, at=at)
        return promotion


def pause(promotion_id: int, *, reason: str = "", expected_version: int | None = None) -> Promotion:
    """Brake an active promotion. One that is paused already keeps its first time and reason.

    Raises PromotionNotFound, VersionConflict, PromotionNotActive or PromotionEnded.
    """
    reason = rules.text("reason", reason, rules.MAX_REASON)
    with transaction.atomic():
        promotion = locked(promotion_id, expected_version=expected_version)
        if promotion.status != Status.ACTIVE:
            raise not_active(promotion)
        if promotion.paused_at is None:
            at = time.db_now()
            columns = {"paused_at": at, "pause_reason": reason}
            commit(promotion, "promotion.pause", columns=columns, reason=reason, at=at)
        return promotion


def resume(
    promotion_id: int, *, reason: str = "", expected_version: int | None = None
) -> Promotion:
    """Release the brake. A promotion that is not paused stays as it is.

    Raises PromotionNotFound, VersionConflict, PromotionNotActive or PromotionEnded.
    """
    reason = rules.text("reason", reason, rules.MAX_REASON)
    with transaction.atomic():
        promotion = locked(promotion_id, expected_version=expected_version)
        if promotion.status != Status.ACTIVE:
            raise not_active(promotion)
        if promotion.paused_at is not None:
            columns = {"paused_at": None, "pause_reason": ""}
            commit(promotion, "promotion.resume", columns=columns, reason=reason)
        return promotion
