"""Refusals about promotions; their words and statuses are in promopulse.lib.errors."""

from collections.abc import Iterable

from promopulse.lib.errors import DomainError, NotFound
from promopulse.lib.time import rfc3339
from promotions.models import Promotion
from promotions.states import Status


class PromotionNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Promotion not found")


class InvalidTransition(DomainError):
    code = "invalid_transition"

    def __init__(self, present: str, wanted: str) -> None:
        super().__init__(from_status=str(present), to_status=str(wanted))


class FieldLocked(DomainError):
    """The status forbids this edit; every field it forbids is named."""

    code = "field_locked"

    def __init__(self, fields: Iterable[str], status: str) -> None:
        names = sorted(fields)
        detail = self.reason.say({"fields": ", ".join(names), "status": str(status)})
        super().__init__(
            detail,
            errors=[
                {"pointer": f"/{name}", "code": "field_locked", "detail": detail} for name in names
            ],
            fields=names,
            status=str(status),
        )


class PromotionInUse(DomainError):
    code = "promotion_in_use"


class PromotionNotActive(DomainError):
    code = "promotion_not_active"


class PromotionEnded(DomainError):
    code = "promotion_ended"


def not_active(promotion: Promotion) -> DomainError:
    """The refusal for a promotion whose stored status is not active."""
    if promotion.status == Status.ENDED and promotion.ended_at:
        return PromotionEnded(ended_at=rfc3339(promotion.ended_at))
    return PromotionNotActive(status=str(promotion.status))


class PromotionPaused(DomainError):
    code = "promotion_paused"


class PromotionExpired(DomainError):
    code = "promotion_expired"


class NotTargeted(DomainError):
    code = "not_targeted"


class ConcurrentRedemption(DomainError):
    """Somebody else is at what this needs at this moment; it may be tried again."""

    code = "concurrent_redemption"
