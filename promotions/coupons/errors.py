"""Refusals about coupons; their words and statuses are in promopulse.lib.errors."""

from promopulse.lib.errors import DomainError, NotFound
from promotions.discounts.errors import AlreadyReversed
from promotions.errors import ConcurrentRedemption as ConcurrentRedemption


class BookNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Book not found")


class BatchNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Batch not found")


class DistributionNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Distribution not found")


class RedemptionNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Redemption not found")


class CouponNotFound(DomainError):
    """Unknown, or somebody else's: which one is nobody's business."""

    code = "coupon_not_found"


class CouponNotAvailable(DomainError):
    code = "coupon_not_available"


class CouponLocked(DomainError):
    code = "coupon_locked"


class CouponAlreadyLocked(DomainError):
    code = "coupon_already_locked"


class CouponRedeemed(DomainError):
    code = "coupon_redeemed"


class CouponExpired(DomainError):
    code = "coupon_expired"


class CouponNotAssigned(DomainError):
    code = "coupon_not_assigned"


class LockTokenMismatch(DomainError):
    code = "lock_token_mismatch"


class MaxAssignmentsExceeded(DomainError):
    code = "max_assignments_exceeded"


class MaxRedemptionsExceeded(DomainError):
    code = "max_redemptions_exceeded"


class BookExhausted(DomainError):
    code = "book_exhausted"


class BookInactive(DomainError):
    code = "book_inactive"


class CapacityExceeded(DomainError):
    code = "capacity_exceeded"


# What the states of a coupon refuse an action with.
BY_CODE: dict[str, type[DomainError]] = {
    kind.code: kind
    for kind in (
        CouponNotFound,
        CouponNotAvailable,
        CouponLocked,
        CouponAlreadyLocked,
        CouponRedeemed,
        CouponExpired,
        CouponNotAssigned,
        LockTokenMismatch,
        MaxAssignmentsExceeded,
        MaxRedemptionsExceeded,
        BookInactive,
        AlreadyReversed,
    )
}
