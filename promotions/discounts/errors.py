"""Refusals about discounts; their words and statuses are in promopulse.lib.errors."""

from accounts.errors import UserNotFound
from promopulse.lib.errors import DomainError, Invalid, NotFound
from promotions.errors import (
    ConcurrentRedemption,
    NotTargeted,
    PromotionEnded,
    PromotionExpired,
    PromotionNotActive,
    PromotionPaused,
)


class CampaignNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Campaign not found")


class DiscountNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("The promotion gives no discount")


class ReservationNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Reservation not found")


class RedemptionNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Redemption not found")


class NotOneKind(Invalid):
    """A discount is a percentage or a flat amount; both fields are named."""

    def __init__(self) -> None:
        words = "Exactly one of discount_percentage and discount_flat is expected."
        super().__init__("discount_percentage", words, "exactly_one")
        self.errors.append(self.errors[0] | {"pointer": "/discount_flat"})


class PromotionNotStarted(DomainError):
    code = "promotion_not_started"


class CurrencyMismatch(DomainError):
    code = "currency_mismatch"


class MinCartValueNotMet(DomainError):
    code = "min_cart_value_not_met"


class NothingToDiscount(DomainError):
    code = "nothing_to_discount"


class DailyLimitReached(DomainError):
    code = "daily_limit_reached"


class BudgetExhausted(DomainError):
    code = "budget_exhausted"


class OrderAlreadyRedeemed(DomainError):
    code = "order_already_redeemed"


class ReservationExpired(DomainError):
    code = "reservation_expired"


class ReservationClosed(DomainError):
    code = "reservation_closed"


class AlreadyReversed(DomainError):
    code = "already_reversed"


# Why a grant is refused, in the order the reasons are told.
OF_A_GRANT: tuple[type[DomainError], ...] = (
    UserNotFound,
    OrderAlreadyRedeemed,
    PromotionEnded,
    PromotionNotActive,
    PromotionPaused,
    PromotionNotStarted,
    PromotionExpired,
    CurrencyMismatch,
    NotTargeted,
    MinCartValueNotMet,
    NothingToDiscount,
    DailyLimitReached,
    BudgetExhausted,
    ConcurrentRedemption,
)
OF_A_CAPTURE = (ReservationExpired, ReservationClosed, OrderAlreadyRedeemed)
