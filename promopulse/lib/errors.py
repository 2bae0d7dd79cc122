"""Refusals: one closed list of codes, the same words in the API, the admin and on the pages."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """What a code means: HTTP status, short title, and the sentence shown (filled from params)."""

    status: int
    title: str
    sentence: str

    def say(self, params: dict[str, Any]) -> str:
        """The sentence with its numbers; one that is not known shows as a question mark."""
        return self.sentence.format_map(defaultdict(lambda: "?", params))


REASONS: dict[str, Reason] = {
    # Requests that cannot be understood or are not allowed
    "malformed": Reason(400, "Malformed request", "The request could not be read."),
    "not_authenticated": Reason(401, "Not authenticated", "Valid credentials are needed."),
    "invalid_credentials": Reason(
        401, "Invalid credentials", "The e-mail or the password is wrong."
    ),
    "permission_denied": Reason(403, "Not allowed", "Your role or key does not allow this."),
    "not_found": Reason(404, "Not found", "There is nothing here."),
    "method_not_allowed": Reason(405, "Method not allowed", "This route does not take {method}."),
    "too_large": Reason(413, "Too large", "The body is over the limit of {limit} bytes."),
    "unsupported_media_type": Reason(
        415, "Unsupported media type", "The body's content type is not supported."
    ),
    "validation_error": Reason(422, "Invalid input", "Some fields are not valid."),
    "rate_limited": Reason(
        429, "Too many requests", "Over the limit of {limit}; try again in {retry_after} s."
    ),
    "internal_error": Reason(500, "Internal error", "Something broke here; it has been logged."),
    "unavailable": Reason(503, "Unavailable", "A service this needs is away; try again soon."),
    # Idempotency and concurrency
    "idempotency_key_reused": Reason(
        422, "Idempotency key reused", "This Idempotency-Key was used with another request."
    ),
    "idempotency_in_progress": Reason(
        409, "Request in progress", "A request with this Idempotency-Key is still running."
    ),
    "version_conflict": Reason(
        409, "Changed meanwhile", "Somebody else changed this at the same time; read it again."
    ),
    "plan_changed": Reason(409, "The plan changed", "The plan changed, review it again."),
    # Accounts
    "email_taken": Reason(409, "E-mail taken", "A user with this e-mail exists already."),
    # Promotions
    "promotion_not_active": Reason(
        422, "Promotion not active", "The promotion is {status}, not active."
    ),
    "promotion_not_started": Reason(
        422, "Promotion not started", "The promotion starts at {starts_at}."
    ),
    "promotion_paused": Reason(422, "Promotion paused", "The promotion is paused."),
    "promotion_expired": Reason(
        422, "Promotion expired", "The promotion's window closed at {ended_at}."
    ),
    "promotion_ended": Reason(422, "Promotion ended", "The promotion was ended at {ended_at}."),
    "promotion_in_use": Reason(
        409, "Promotion in use", "A promotion that is {status} cannot be deleted."
    ),
    "invalid_transition": Reason(
        422, "Invalid transition", "Cannot transition from {from_status} to {to_status}"
    ),
    "field_locked": Reason(
        422, "Field locked", "{fields} cannot be changed while the promotion is {status}."
    ),
    "invalid_time_range": Reason(422, "Invalid time range", "The end must be after the start."),
    "not_targeted": Reason(422, "Not targeted", "The promotion is not open to this customer."),
    # Subscriptions
    "already_subscribed": Reason(
        409, "Already subscribed", "The user is subscribed to this promotion already."
    ),
    "already_inactive": Reason(422, "Already inactive", "The subscription is inactive already."),
    # Discounts
    "budget_exhausted": Reason(422, "Budget exhausted", "The budget is used up ({left} left)."),
    "daily_limit_reached": Reason(
        422, "Daily limit reached", "The customer's limit for today is reached ({used}/{limit})."
    ),
    "min_cart_value_not_met": Reason(
        422, "Minimum cart value not met", "The cart needs {missing} more to reach {required}."
    ),
    "currency_mismatch": Reason(
        422, "Currency mismatch", "The promotion is in {expected}, the cart in {given}."
    ),
    "nothing_to_discount": Reason(
        422, "Nothing to discount", "There is no value this discount could reduce."
    ),
    "reservation_expired": Reason(410, "Reservation expired", "The reservation has expired."),
    "reservation_closed": Reason(
        409, "Reservation closed", "The reservation was captured or released already."
    ),
    "already_reversed": Reason(409, "Already reversed", "All of it was given back already."),
    "order_already_redeemed": Reason(
        409, "Order already redeemed", "This order was granted a discount by this campaign before."
    ),
    # Coupons
    "coupon_not_found": Reason(404, "Coupon not found", "Coupon not found"),
    "coupon_not_available": Reason(409, "Coupon not available", "Coupon not available"),
    "coupon_locked": Reason(409, "Coupon locked", "Cannot redeem LOCKED coupon"),
    "coupon_already_locked": Reason(409, "Already locked", "Already locked"),
    "coupon_redeemed": Reason(409, "Coupon redeemed", "Terminal state"),
    "coupon_expired": Reason(410, "Coupon expired", "The coupon has expired."),
    "coupon_not_assigned": Reason(409, "Coupon not assigned", "The coupon is not assigned."),
    "lock_token_mismatch": Reason(
        409, "Lock token mismatch", "The lock token is not the one of the present lock."
    ),
    "max_assignments_exceeded": Reason(
        422, "Maximum assignments exceeded", "Maximum assignments exceeded ({used}/{limit})"
    ),
    "max_redemptions_exceeded": Reason(
        422, "Maximum redemptions exceeded", "Maximum redemptions exceeded ({used}/{limit})"
    ),
    "book_exhausted": Reason(409, "Book exhausted", "The book has {left} free codes left."),
    "book_inactive": Reason(422, "Book inactive", "The book is not active."),
    "capacity_exceeded": Reason(
        422, "Capacity exceeded", "At most {most} codes can be made with this pattern."
    ),
    "concurrent_redemption": Reason(409, "Concurrent redemption", "Concurrent redemption detected"),
    # Events
    "event_conflict": Reason(
        409, "Event conflict", "An event with this id but other fields was accepted before."
    ),
}


class DomainError(Exception):
    """A rule said no. Subclasses name the fact; `params` are its numbers, always JSON values."""

    code = "validation_error"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: list[dict[str, str]] | None = None,
        **params: Any,
    ) -> None:
        self.params = params
        self.errors = errors or []
        self.detail = detail or self.reason.say(params)
        super().__init__(self.detail)

    @property
    def reason(self) -> Reason:
        return REASONS[self.code]

    @property
    def status(self) -> int:
        return self.reason.status


class NotFound(DomainError):
    code = "not_found"


class PermissionDenied(DomainError):
    code = "permission_denied"


class Invalid(DomainError):
    """One field is wrong. `field` becomes the JSON pointer of the problem document."""

    code = "validation_error"

    def __init__(self, field: str, detail: str, code: str = "invalid") -> None:
        super().__init__(detail, errors=[{"pointer": f"/{field}", "code": code, "detail": detail}])


class InvalidTimeRange(Invalid):
    code = "invalid_time_range"

    def __init__(self, field: str = "end_at", detail: str = "") -> None:
        super().__init__(field, detail or self.reason.sentence, "invalid_time_range")


class VersionConflict(DomainError):
    code = "version_conflict"


class PlanChanged(DomainError):
    """What was previewed and confirmed is not what would be done now."""

    code = "plan_changed"


class RateLimited(DomainError):
    """Over a limit; `retry_after` is whole seconds, at least 1."""

    code = "rate_limited"
