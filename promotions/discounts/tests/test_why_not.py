"""*Why not?*: every rule with its numbers, as the API judges, and nothing is granted."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils.html import strip_tags

from accounts import pii
from accounts.errors import UserNotFound
from accounts.tests.factories import UserFactory
from promotions.discounts import services
from promotions.discounts.errors import DiscountNotFound
from promotions.discounts.explaining import explain
from promotions.discounts.models import Redemption
from promotions.discounts.offers import available
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.tests.admin_pages import LIST, change, logged_in
from promotions.tests.factories import ActivePromotionFactory

pytestmark = pytest.mark.django_db

TERMS = {"min_cart_value": 100, "max_usage_per_customer_per_day": 2}


@pytest.fixture
def alice():
    return UserFactory(name="Alice")


def used(campaign, user, times):
    for _ in range(times):
        services.grant(promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(200))


def crosses(found):
    return {asked.rule: asked.refusal.code for asked in found.rules if asked.refusal}


def test_two_crosses_with_their_numbers_and_the_api_says_the_same(alice):
    campaign = CampaignFactory(discount=TERMS, budget=1_000)
    used(campaign, alice, 2)
    found = explain(campaign, user_id=alice.pk, cart_value=Decimal(80))
    assert crosses(found) == {
        "min_cart_value": "min_cart_value_not_met",
        "daily_limit": "daily_limit_reached",
    }
    told = {asked.rule: (asked.needed, asked.actual) for asked in found.rules}
    assert told["min_cart_value"] == ("at least 100.00 USD", "80.00 USD")
    assert told["daily_limit"] == ("fewer than 2 that day", "2 of 2")
    assert found.amount == 0
    (judged,) = available(
        user_id=alice.pk, cart_value=Decimal(80), include_ineligible=True
    ).ineligible
    assert (judged.refusal.code, judged.refusal.params) == (
        found.refusals[0].code,
        found.refusals[0].params,
    )
    assert Redemption.objects.count() == 2, "nothing is granted"


def test_the_least_of_four_bounds_decides(alice):
    def bound_by(budget, cart, **discount):
        campaign = CampaignFactory(discount=discount, budget=budget)
        found = explain(campaign, user_id=alice.pk, cart_value=Decimal(cart))
        offered = available(user_id=alice.pk, cart_value=Decimal(cart)).cart
        (same,) = [one for one in offered if one.terms.promotion_id == campaign.pk]
        assert found.amount == same.amount
        return [cap.name for cap in found.caps if cap.binds], found.amount

    assert bound_by(None, 100, discount_percentage=20) == (["What the terms give"], 20)
    capped = bound_by(None, 100, discount_percentage=20, max_discount_amount=5)
    assert capped == (["The most one redemption gives"], 5)
    assert bound_by(None, 3, discount_flat=10) == (["The value being discounted"], 3)
    assert bound_by(7, 100, discount_flat=10) == (["What the budget has left"], 7)


def test_a_draft_and_another_time_can_be_asked(alice):
    start = datetime.now(UTC) + timedelta(days=10)
    draft = DraftCampaignFactory(start_at=start, end_at=start + timedelta(days=5))
    ask = {"user_id": alice.pk, "cart_value": Decimal(50)}
    assert crosses(explain(draft, **ask)) == {
        "status": "promotion_not_active",
        "start": "promotion_not_started",
    }
    assert set(crosses(explain(draft, at=start, **ask))) == {"status"}
    late = explain(draft, at=start + timedelta(days=5), **ask)
    assert crosses(late)["end"] == "promotion_expired"


def test_what_cannot_be_asked(alice):
    with pytest.raises(DiscountNotFound):
        explain(ActivePromotionFactory(), user_id=alice.pk, cart_value=Decimal(1))
    with pytest.raises(UserNotFound):
        explain(CampaignFactory(), user_id=0, cart_value=Decimal(1))


def test_the_page_shows_ticks_and_crosses(alice):
    campaign = CampaignFactory(discount=TERMS)
    client, _ = logged_in("viewer")
    address = f"{LIST}{campaign.pk}/why-not/"
    assert address in client.get(change(campaign.pk)).content.decode()
    form = {"user": alice.pk, "cart_value": "80", "at_0": "", "at_1": ""}
    page = client.post(address, form)
    words = " ".join(strip_tags(page.content.decode()).split())
    assert "Nothing: 1 rule said no." in words
    assert f"Alice, {pii.mask_email(alice.email)}, user {alice.pk}" in words
    assert "The cart needs 20.00 more to reach 100.00." in words
    assert [row["code"] for row in page.context["rows"] if row["code"]] == [
        "min_cart_value_not_met"
    ]
    granted = client.post(address, form | {"cart_value": "100"})
    assert granted.context["verdict"] == "10.00 USD off."


@pytest.mark.parametrize(
    ("field", "value"),
    [("user", "x"), ("user", "0"), ("cart_value", "-1"), ("cart_value", "1.001"),
     ("cart_value", "NaN"), ("delivery_charge", "x"), ("at_1", "25:00")],
)  # fmt: skip
def test_a_senseless_question_is_an_error_of_the_form(alice, field, value):
    campaign = CampaignFactory()
    form = {"user": alice.pk, "cart_value": "80", "at_0": "2026-06-01", "at_1": "10:00"}
    page = logged_in("marketer")[0].post(f"{LIST}{campaign.pk}/why-not/", form | {field: value})
    assert page.status_code == 200
    assert page.context["form"].errors
    assert "found" not in page.context


def test_only_where_there_is_a_discount_and_for_staff(alice):
    plain = ActivePromotionFactory()
    client, _ = logged_in("marketer")
    assert client.get(f"{LIST}{plain.pk}/why-not/").status_code == 404
    assert "why-not" not in client.get(change(plain.pk)).content.decode()
    customer, _ = logged_in("customer")
    assert customer.get(f"{LIST}{CampaignFactory().pk}/why-not/").status_code == 302
