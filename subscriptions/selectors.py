"""Reads of subscriptions."""

from django.db.models import QuerySet

from subscriptions.models import Subscription


def subscriptions_of(*, user_id: int | None = None) -> QuerySet[Subscription]:
    """Those of a user, newest first; without one everybody's, to be narrowed to a promotion."""
    rows = Subscription.objects.order_by("-subscribed_at", "-id")
    return rows if user_id is None else rows.filter(user_id=user_id)
