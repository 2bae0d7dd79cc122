"""Erasing what was said about a person beside their subscriptions; the subscriptions stay."""

from django.db.models import QuerySet

from subscriptions.models import Subscription


def count_metadata(user_id: int) -> int:
    """What `erase_metadata` would empty now."""
    return _told(user_id).count()


def erase_metadata(user_id: int) -> int:
    """Empty the metadata of the user's subscriptions; gives how many had some."""
    return _told(user_id).update(metadata={})


def _told(user_id: int) -> QuerySet[Subscription]:
    return Subscription.objects.filter(user_id=user_id).exclude(metadata={})
