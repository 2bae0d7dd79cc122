"""Opting in and out: who may, when, and what is left behind."""

from datetime import timedelta

import pytest

from accounts.errors import UserNotFound
from accounts.models import AuditEntry
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promopulse.lib.time import db_now
from promotions.errors import NotTargeted, PromotionNotFound
from promotions.models import Promotion, PromotionTarget
from promotions.states import Status
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from subscriptions import services
from subscriptions.errors import AlreadyInactive, AlreadySubscribed, SubscriptionNotFound
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


def paused_promotion(**values):
    return ActivePromotionFactory(paused_at=db_now(), pause_reason="stock", **values)


def expired_promotion(**values):
    return ActivePromotionFactory(
        start_at=db_now() - timedelta(days=9), end_at=db_now() - timedelta(days=1), **values
    )


def refusal(promotion):
    """The code `subscribe` answers for a promotion, and that nothing was written."""
    with pytest.raises(Exception) as refused:  # noqa: PT011
        services.subscribe(user_id=UserFactory().pk, promotion_id=promotion.pk)
    assert not Subscription.objects.exists()
    assert not AuditEntry.objects.exists()
    return refused.value.code


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (PromotionFactory, "promotion_not_active"),
        (EndedPromotionFactory, "promotion_ended"),
        (expired_promotion, "promotion_expired"),
        (paused_promotion, "promotion_paused"),
    ],
)
def test_only_active_promotions_take_subscribers(make, code):
    assert refusal(make()) == code


def test_a_subscription_is_made_and_audited():
    user, promotion = UserFactory(), ActivePromotionFactory()
    before = db_now()
    made = services.subscribe(user_id=user.pk, promotion_id=promotion.pk, metadata={"via": "app"})
    assert made.is_active
    assert before <= made.subscribed_at <= db_now()
    assert made.metadata == {"via": "app"}
    entry = AuditEntry.objects.get(object_type="subscription", object_id=made.pk)
    assert entry.action == "subscription.subscribe"
    assert entry.after == {"user_id": user.pk, "promotion_id": promotion.pk, "is_active": True}


def test_a_scheduled_promotion_may_be_joined_ahead():
    later = ActivePromotionFactory(start_at=db_now() + timedelta(days=1))
    assert services.subscribe(user_id=UserFactory().pk, promotion_id=later.pk).is_active


def test_strangers_are_not_found():
    with pytest.raises(UserNotFound):
        services.subscribe(user_id=2**62, promotion_id=ActivePromotionFactory().pk)
    with pytest.raises(PromotionNotFound):
        services.subscribe(user_id=UserFactory().pk, promotion_id=2**62)


def test_an_erased_user_is_not_found():
    gone = UserFactory(email=None, name="", is_active=False, erased_at=db_now())
    with pytest.raises(UserNotFound):
        services.subscribe(user_id=gone.pk, promotion_id=ActivePromotionFactory().pk)


def targeted(*, user=None, pool=None):
    promotion = PromotionFactory(is_targeted=True)
    if user or pool:
        PromotionTarget.objects.create(promotion=promotion, user=user, pool=pool)
    Promotion.objects.filter(pk=promotion.pk).update(
        status=Status.ACTIVE, activated_at=promotion.start_at
    )
    return promotion


def test_a_targeted_promotion_takes_its_audience_only():
    named, member, stranger = UserFactory(), UserFactory(), UserFactory()
    pool = PoolFactory()
    PoolMembershipFactory(pool=pool, user=member)
    for user, promotion in ((named, targeted(user=named)), (member, targeted(pool=pool))):
        services.subscribe(user_id=user.pk, promotion_id=promotion.pk)
        with pytest.raises(NotTargeted):
            services.subscribe(user_id=stranger.pk, promotion_id=promotion.pk)


@pytest.mark.parametrize("is_active", [True, False])
def test_a_second_subscription_names_the_first(is_active):
    first = SubscriptionFactory()
    if not is_active:
        services.deactivate(first.pk)
    with pytest.raises(AlreadySubscribed) as refused:
        services.subscribe(user_id=first.user_id, promotion_id=first.promotion_id)
    assert refused.value.params == {"subscription_id": first.pk, "is_active": is_active}
    assert Subscription.objects.count() == 1


def test_out_and_in_again():
    subscription = SubscriptionFactory()
    gone = services.deactivate(subscription.pk, reason="asked by phone")
    assert not gone.is_active
    assert gone.deactivated_at
    with pytest.raises(AlreadyInactive):
        services.deactivate(subscription.pk)
    back = services.reactivate(subscription.pk)
    assert back.is_active
    assert back.deactivated_at is None
    assert back.subscribed_at == subscription.subscribed_at
    assert list(
        AuditEntry.objects.order_by("id").values_list("action", "before", "after", "reason")
    ) == [
        (
            "subscription.deactivate",
            {"is_active": True},
            {"is_active": False},
            "asked by phone",
        ),
        ("subscription.reactivate", {"is_active": False}, {"is_active": True}, ""),
    ]


def test_reactivating_an_active_one_changes_nothing():
    subscription = SubscriptionFactory(promotion=paused_promotion())
    assert services.reactivate(subscription.pk).is_active
    assert not AuditEntry.objects.exists()


def test_opting_out_is_possible_for_ever_and_back_in_is_judged():
    subscription = SubscriptionFactory(promotion=EndedPromotionFactory())
    services.deactivate(subscription.pk)
    with pytest.raises(Exception, match="was ended") as refused:
        services.reactivate(subscription.pk)
    assert refused.value.code == "promotion_ended"
    subscription.refresh_from_db()
    assert not subscription.is_active


@pytest.mark.parametrize("act", [services.deactivate, services.reactivate])
def test_a_persons_door_opens_only_their_own(act):
    subscription = SubscriptionFactory()
    with pytest.raises(SubscriptionNotFound):
        act(subscription.pk, of_user=UserFactory().pk)
    with pytest.raises(SubscriptionNotFound):
        act(2**62)
