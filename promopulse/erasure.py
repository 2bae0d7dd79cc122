"""Erasing a person from every app: the person first, so that nothing new is said about somebody
known, then what was said about them elsewhere. Each part may be run again.
"""

from accounts.services import erasure as accounts
from engagement import erasure as engagement
from promotions.coupons import erasure as coupons
from subscriptions import erasure as subscriptions

# What is counted, in words.
WORDS = {
    "fields": "personal fields of the user",
    "pools": "pools they were in",
    "refresh_tokens": "refresh tokens",
    "answers": "stored answers to them or about them",
    "subscriptions": "subscriptions with metadata",
    "coupons": "uses and requests of coupons with metadata or an id of the client's",
    "waiting": "waiting requests with metadata of their events",
    "retrying": "retried events with metadata",
    "letters": "dead letters with metadata",
    "events": "events with metadata",
}


def count(user_id: int) -> dict[str, int]:
    """What `erase` would take away now. Raises UserNotFound."""
    return {
        **accounts.count_traces(user_id),
        "subscriptions": subscriptions.count_metadata(user_id),
        "coupons": coupons.count_metadata(user_id),
        **engagement.count_metadata(user_id),
    }


def erase(user_id: int, *, reason: str = "") -> dict[str, int]:
    """Erase a person; gives how much of each kind went. Raises UserNotFound."""
    return {
        **accounts.erase_user(user_id, reason=reason),
        "subscriptions": subscriptions.erase_metadata(user_id),
        "coupons": coupons.erase_metadata(user_id),
        **engagement.erase_metadata(user_id),
    }
