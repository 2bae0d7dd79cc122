"""Why an event was not counted: one list, the same words in dead letters, API and admin."""

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    REFUSED = "refused"  # a rule says no, whenever it is tried
    MAYBE_LATER = "maybe_later"  # what it names may appear
    UNKNOWN = "unknown"  # processing failed in a way nobody foresaw
    WORKER_KILLER = "worker_killer"  # whoever works on it dies


@dataclass(frozen=True)
class Cause:
    """`words` name it where there is little room, `sentence` says it."""

    category: Category
    words: str
    sentence: str
    remedy: str


CAUSES = {
    "unknown_subscription": Cause(
        Category.MAYBE_LATER,
        "No such subscription",
        "The subscription does not exist.",
        "Create it, then replay.",
    ),
    "unknown_user": Cause(
        Category.MAYBE_LATER,
        "No such user",
        "The user does not exist.",
        "Create the user, then replay.",
    ),
    "unknown_promotion": Cause(
        Category.MAYBE_LATER,
        "No such promotion",
        "The promotion does not exist.",
        "Create the promotion, then replay.",
    ),
    "subscription_mismatch": Cause(
        Category.REFUSED,
        "Wrong subscription",
        "The subscription belongs to another user or promotion than the event says.",
        "The sender has to correct its event and send it under a new id.",
    ),
    "promotion_not_active": Cause(
        Category.REFUSED,
        "Never activated",
        "The promotion was never activated.",
        "Activate the promotion, then replay.",
    ),
    "promotion_not_started": Cause(
        Category.REFUSED,
        "Before the window",
        "The event happened before the promotion's window.",
        "Correct the sender's clock, or discard.",
    ),
    "promotion_expired": Cause(
        Category.REFUSED,
        "After the window",
        "The event happened after the promotion's window.",
        "Discard, or correct the sender's clock.",
    ),
    "promotion_ended": Cause(
        Category.REFUSED,
        "Promotion ended",
        "The event happened after the promotion was ended.",
        "Discard.",
    ),
    "subscription_inactive": Cause(
        Category.REFUSED,
        "Opted out",
        "The event happened after the subscription was deactivated.",
        "Discard, or reactivate the subscription and replay.",
    ),
    "processing_error": Cause(
        Category.UNKNOWN,
        "Processing failed",
        "Processing the event failed.",
        "See the error, mend it, then replay.",
    ),
    "worker_lost": Cause(
        Category.WORKER_KILLER,
        "Workers died",
        "The workers that processed the event died.",
        "Look at the event and the workers' logs before replaying it.",
    ),
}


WORDS = {code: cause.words for code, cause in CAUSES.items()}


def fingerprint(cause: str, promotion_id: int | None) -> str:
    """What groups refused events: the cause, and the promotion where it is about its state."""
    return f"{cause}:{promotion_id}" if cause.startswith("promotion_") else cause
