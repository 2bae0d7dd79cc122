"""What a grant gives, what it refuses, and what it leaves behind."""

from datetime import timedelta
from decimal import Decimal
from time import sleep

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from promotions import services as promotions
from promotions.discounts import errors, services
from promotions.discounts.models import DailyUse, GrantOutbox, Redemption, Reservation
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.errors import NotTargeted, PromotionEnded, PromotionNotActive, PromotionPaused
from promotions.models import Budget, BudgetEntry

pytestmark = pytest.mark.django_db

FLAT = {"discount_flat": 1}
MANY = FLAT | {"max_usage_per_customer_per_day": 100}


def grant(campaign, user=None, cart=100, **kwargs):
    return services.grant(
        promotion_id=campaign.pk,
        user_id=(user or UserFactory()).pk,
        cart_value=Decimal(cart),
        **kwargs,
    )


def ledger(campaign):
    entries = BudgetEntry.objects.filter(budget__promotion=campaign).exclude(kind="fund")
    return list(entries.order_by("pk").values_list("kind", "amount", "was_reserved"))


def test_a_grant_leaves_its_row_the_ledger_the_day_and_the_news():
    campaign = CampaignFactory(budget=100)
    user = UserFactory()
    given = grant(campaign, user, cart="59.99", order_id="o-1")
    assert (given.amount, given.original_amount, given.final_amount, given.limited_by) == (
        Decimal("6.000"),
        Decimal("59.990"),
        Decimal("53.990"),
        "",
    )
    stored = Redemption.objects.get()
    assert (stored.pk, stored.order_id, stored.amount) == (given.pk, "o-1", given.amount)
    assert ledger(campaign) == [("capture", Decimal(6), False)]
    budget = Budget.objects.get()
    assert (budget.spent, budget.reserved) == (6, 0)
    today = DailyUse.objects.get()
    assert (today.used, today.most, today.day) == (1, 1, stored.local_day)
    assert GrantOutbox.objects.get().pk == given.pk


def test_an_unlimited_campaign_keeps_no_ledger():
    campaign = CampaignFactory()
    assert grant(campaign).amount == 10
    assert not BudgetEntry.objects.exists()


def test_the_budget_gives_what_it_has_and_then_nothing():
    campaign = CampaignFactory(budget=15)
    assert grant(campaign).limited_by == ""
    part = grant(campaign)
    assert (part.amount, part.limited_by) == (5, "budget")
    with pytest.raises(errors.BudgetExhausted) as refused:
        grant(campaign)
    assert refused.value.params == {"left": "0.00"}
    assert Redemption.objects.count() == 2
    assert DailyUse.objects.count() == 2


def test_a_day_is_full():
    campaign = CampaignFactory(discount=FLAT | {"max_usage_per_customer_per_day": 2})
    user = UserFactory()
    grant(campaign, user), grant(campaign, user)
    with pytest.raises(errors.DailyLimitReached) as refused:
        grant(campaign, user)
    assert (refused.value.params["used"], refused.value.params["limit"]) == (2, 2)
    grant(campaign)


def test_an_order_is_granted_once_for_ever():
    campaign = CampaignFactory(discount=MANY, budget=10)
    user = UserFactory()
    first = grant(campaign, user, order_id="o-1")
    services.reverse(first.pk)
    with pytest.raises(errors.OrderAlreadyRedeemed):
        grant(campaign, user, order_id="o-1")
    grant(campaign, user, order_id="o-2")
    grant(CampaignFactory(), user, order_id="o-1")


def test_refusals_in_their_order():
    user = UserFactory()
    campaign = CampaignFactory(
        is_targeted=True,
        discount={"min_cart_value": 50},
        start_at=timezone.now() + timedelta(days=1),
        activated_at=timezone.now(),
    )
    promotions.pause(campaign.pk)
    asked = {"cart": 10, "currency": "EUR"}
    with pytest.raises(PromotionPaused):
        grant(campaign, user, **asked)
    promotions.resume(campaign.pk)
    with pytest.raises(errors.PromotionNotStarted):
        grant(campaign, user, **asked)
    campaign = CampaignFactory(is_targeted=True, discount={"min_cart_value": 50})
    with pytest.raises(errors.CurrencyMismatch):
        grant(campaign, user, **asked)
    with pytest.raises(NotTargeted):
        grant(campaign, user, cart=10)
    campaign = CampaignFactory(users=[user], discount={"min_cart_value": 50})
    with pytest.raises(errors.MinCartValueNotMet) as refused:
        grant(campaign, user, cart=10)
    assert refused.value.params["missing"] == "40.00"
    with pytest.raises(PromotionNotActive):
        grant(DraftCampaignFactory())
    promotions.change_status(campaign.pk, status="ended")
    with pytest.raises(PromotionEnded):
        grant(campaign, user)
    assert not Redemption.objects.exists()
    assert not DailyUse.objects.exists()


def test_reserve_capture_reverse():
    campaign = CampaignFactory(budget=100)
    user = UserFactory()
    held = services.reserve(promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(80))
    assert (held.amount, held.state) == (8, "open")
    budget = Budget.objects.get()
    assert (budget.reserved, budget.spent) == (8, 0)
    with pytest.raises(errors.DailyLimitReached):
        grant(campaign, user)
    given = services.capture(held.pk, order_id="o-1")
    assert (given.amount, given.promotion_id, given.user_id) == (8, campaign.pk, user.pk)
    budget.refresh_from_db()
    assert (budget.reserved, budget.spent) == (0, 8)
    with pytest.raises(errors.ReservationClosed):
        services.capture(held.pk)
    services.reverse(given.pk, amount=Decimal(3), reason="one item back")
    assert DailyUse.objects.get().used == 1
    services.reverse(given.pk)
    assert DailyUse.objects.get().used == 0
    with pytest.raises(errors.AlreadyReversed):
        services.reverse(given.pk)
    budget.refresh_from_db()
    assert (budget.reserved, budget.spent, budget.left) == (0, 0, 100)
    assert ledger(campaign) == [
        ("reserve", 8, False),
        ("capture", 8, True),
        ("reverse", 3, False),
        ("reverse", 5, False),
    ]


def test_a_released_reservation_gives_back_money_and_day():
    campaign = CampaignFactory(budget=5)
    user = UserFactory()
    held = services.reserve(promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(80))
    assert (held.amount, held.limited_by) == (5, "budget")
    services.release(held.pk)
    assert Budget.objects.get().left == 5
    assert DailyUse.objects.get().used == 0
    for again in (services.release, services.capture):
        with pytest.raises(errors.ReservationClosed):
            again(held.pk)


@pytest.mark.parametrize("same_user", [True, False])
def test_what_an_overdue_reservation_holds_is_taken_without_a_sweep(same_user):
    campaign = CampaignFactory(budget=5)
    user = UserFactory()
    held = services.reserve(
        promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(80), ttl_seconds=1
    )
    other = user if same_user else UserFactory()
    with pytest.raises((errors.BudgetExhausted, errors.DailyLimitReached)):
        grant(campaign, other)
    sleep(1.1)
    with pytest.raises(errors.ReservationExpired):
        services.capture(held.pk)
    assert grant(campaign, other).amount == 5
    assert Reservation.objects.get().state == "expired"
    with pytest.raises(errors.ReservationExpired):
        services.release(held.pk)
    assert Budget.objects.get().spent == 5
