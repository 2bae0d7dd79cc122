"""Erasing a person from every app: the person first, so that nothing new is said about somebody
known, then what was said about them elsewhere. Each part may be run again.
"""

from accounts.services import erasure as accounts
from engagement import erasure as engagement
from subscriptions import erasure as subscriptions


def count(user_id: int) -> dict[str, int]:
    """What `erase` would take away now. Raises UserNotFound."""
    return {
        **accounts.count_traces(user_id),
        "subscriptions": subscriptions.count_metadata(user_id),
        **engagement.count_metadata(user_id),
    }


def erase(user_id: int, *, reason: str = "") -> dict[str, int]:
    """Erase a person; gives how much of each kind went. Raises UserNotFound."""
    return {
        **accounts.erase_user(user_id, reason=reason),
        "subscriptions": subscriptions.erase_metadata(user_id),
        **engagement.erase_metadata(user_id),
    }
