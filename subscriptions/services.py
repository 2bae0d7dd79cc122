"""Opting in and out. One row per user and promotion, for ever; the database clock judges.

Lock order: the promotion (shared, so that it cannot end or pause meanwhile), then the subscription.
"""

from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.errors import UserNotFound
from accounts.models import User
from promopulse.lib.problems import constraint_of
from promopulse.lib.time import db_now
from promotions import participation
from subscriptions.errors import AlreadyInactive, AlreadySubscribed, SubscriptionNotFound
from subscriptions.models import Subscription


def subscribe(
    *, user_id: int, promotion_id: int, metadata: dict[str, Any] | None = None
) -> Subscription:
    """Opt a user in to a promotion, also ahead of its start.

    Raises UserNotFound, PromotionNotFound, PromotionNotActive, PromotionEnded, PromotionExpired,
    PromotionPaused, NotTargeted or AlreadySubscribed.
    """
    with transaction.atomic():
        if not User.objects.filter(pk=user_id, erased_at=None).exists():
            raise UserNotFound()
        promotion = participation.hold_open(promotion_id)
        now = db_now()
        participation.must_be_joinable(promotion, user_id, at=now)
        try:
            with transaction.atomic():
                # Two at once on one pair: the second waits here for the first's commit.
                subscription = Subscription.objects.create(
                    user_id=user_id,
                    promotion_id=promotion_id,
                    subscribed_at=now,
                    metadata=metadata or {},
                )
        except IntegrityError as error:
            if constraint_of(error) != "subscriptions_subscription_once":
                raise
            pair = Subscription.objects.get(user_id=user_id, promotion_id=promotion_id)
            raise AlreadySubscribed(pair) from None
        audit.record(
            "subscription.subscribe",
            subscription,
            after={"user_id": user_id, "promotion_id": promotion_id, "is_active": True},
        )
        return subscription


def deactivate(
    subscription_id: int, *, of_user: int | None = None, reason: str = ""
) -> Subscription:
    """End an opt-in, whatever state its promotion is in. `of_user`: only if it is theirs.

    Raises SubscriptionNotFound or AlreadyInactive.
    """
    with transaction.atomic():
        subscription = _locked(subscription_id, of_user)
        if not subscription.is_active:
            raise AlreadyInactive()
        _switch(subscription, is_active=False, reason=reason)
        return subscription


def reactivate(
    subscription_id: int, *, of_user: int | None = None, reason: str = ""
) -> Subscription:
    """Opt in again; an active subscription stays as it is. Judged like a new opt-in.

    Raises SubscriptionNotFound and, for an inactive one, what `subscribe` raises about the
    promotion.
    """
    with transaction.atomic():
        found = Subscription.objects.filter(pk=subscription_id, **_whose(of_user)).first()
        if found is None:
            raise SubscriptionNotFound()
        promotion = participation.hold_open(found.promotion_id)
        subscription = _locked(subscription_id, of_user)
        if not subscription.is_active:
            participation.must_be_joinable(promotion, subscription.user_id, at=db_now())
            _switch(subscription, is_active=True, reason=reason)
        return subscription


def _whose(of_user: int | None) -> dict[str, int]:
    return {} if of_user is None else {"user_id": of_user}


def _locked(subscription_id: int, of_user: int | None) -> Subscription:
    rows = Subscription.objects.select_for_update(no_key=True)
    subscription = rows.filter(pk=subscription_id, **_whose(of_user)).first()
    if subscription is None:
        raise SubscriptionNotFound()
    return subscription


def _switch(subscription: Subscription, *, is_active: bool, reason: str) -> None:
    before = {"is_active": subscription.is_active}
    subscription.is_active = is_active
    subscription.deactivated_at = None if is_active else db_now()
    subscription.save(update_fields=["is_active", "deactivated_at"])
    audit.record(
        "subscription.reactivate" if is_active else "subscription.deactivate",
        subscription,
        before=before,
        after={"is_active": is_active},
        reason=reason,
    )
