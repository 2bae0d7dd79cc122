"""Refusals about opt-ins; their words and statuses are in promopulse.lib.errors."""

from promopulse.lib.errors import DomainError, NotFound
from subscriptions.models import Subscription


class SubscriptionNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Subscription not found")


class AlreadySubscribed(DomainError):
    """The pair has its row. An inactive one comes back by reactivating it, not by a second."""

    code = "already_subscribed"

    def __init__(self, existing: Subscription) -> None:
        super().__init__(subscription_id=existing.pk, is_active=existing.is_active)


class AlreadyInactive(DomainError):
    code = "already_inactive"
