"""Reads of subscriptions."""

from django.db.models import QuerySet

from subscriptions.models import Subscription


def subscriptions_of(
    *,
    user_id: int | None = None,
    promotion_id: int | None = None,
    is_active: bool | None = None,
) -> QuerySet[Subscription]:
    """Those of a user, of a promotion or of both, newest first: an index walk for each."""
    wanted = {"user_id": user_id, "promotion_id": promotion_id, "is_active": is_active}
    filters = {name: value for name, value in wanted.items() if value is not None}
    return Subscription.objects.filter(**filters).order_by("-subscribed_at", "-id")
