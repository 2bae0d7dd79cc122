"""Applying discounts over HTTP: what is granted, what is refused."""

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from promotions import services as promotions
from promotions.discounts import services
from promotions.discounts.models import Redemption, Reservation
from promotions.discounts.tests.carts import APPLY, MANY, REDEMPTIONS, RESERVATIONS, cart
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.models import Budget
from promotions.tests.factories import PromotionFactory
from promotions.tests.refusals import refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(as_service):
    return as_service("discounts:apply", "refunds", "read")


@pytest.fixture
def user():
    return UserFactory()


def test_apply_answers_the_redemption(shop, user):
    campaign = CampaignFactory(budget=100, currency="EUR")
    body = cart(campaign, user, "59.99", delivery_charge="4.90", currency="EUR", order_id="o-1")
    response = shop.post(APPLY, body)
    assert response.status_code == 201, response.content
    answer = response.json()
    stored = Redemption.objects.get()
    assert answer == {
        "id": stored.pk,
        "campaign_id": campaign.pk,
        "customer_id": user.pk,
        "currency": "EUR",
        "cart_value": "59.99",
        "delivery_charge": "4.90",
        "original_amount": "59.99",
        "discount_amount": "6.00",
        "final_amount": "53.99",
        "limited_by": "",
        "reversed_amount": "0.00",
        "order_id": "o-1",
        "reservation_id": None,
        "granted_at": answer["granted_at"],
    }
    assert shop.get(f"{REDEMPTIONS}/{stored.pk}").json() == answer
    assert Budget.objects.get().spent == Decimal("6.000")


def test_what_is_discounted_is_the_cart_or_the_delivery(shop, user):
    campaign = CampaignFactory(discount={"discount_type": "delivery", "discount_flat": 3})
    answer = shop.post(APPLY, cart(campaign, user, delivery_charge="2.50")).json()
    assert (answer["original_amount"], answer["discount_amount"]) == ("2.50", "2.50")
    assert (answer["final_amount"], answer["limited_by"]) == ("0.00", "value")
    problem = refused(shop.post(APPLY, cart(campaign, UserFactory())))
    assert problem["code"] == "nothing_to_discount"


def test_the_budget_gives_what_it_has(shop, user):
    campaign = CampaignFactory(budget=7)
    answer = shop.post(APPLY, cart(campaign, user)).json()
    assert (answer["discount_amount"], answer["limited_by"]) == ("7.00", "budget")


@pytest.mark.parametrize(
    ("currency", "value", "amount"), [("JPY", "1055", "106"), ("KWD", "10.555", "1.056")]
)
def test_amounts_have_their_currencys_decimals(shop, user, currency, value, amount):
    campaign = CampaignFactory(currency=currency)
    answer = shop.post(APPLY, cart(campaign, user, value)).json()
    assert (answer["cart_value"], answer["discount_amount"]) == (value, amount)
    assert shop.get(f"{REDEMPTIONS}/{answer['id']}").json() == answer


def test_a_repeat_under_one_key_is_granted_once(shop, user):
    campaign = CampaignFactory(budget=100, discount=MANY)
    answers = [
        shop.post(APPLY, cart(campaign, user), headers={"Idempotency-Key": "k-1"}) for _ in range(3)
    ]
    assert [answer.content for answer in answers] == [answers[0].content] * 3
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [
        None,
        "true",
        "true",
    ]
    assert Redemption.objects.count() == 1
    assert Budget.objects.get().spent == 10
    other = shop.post(APPLY, cart(campaign, user, "99"), headers={"Idempotency-Key": "k-1"})
    assert refused(other)["code"] == "idempotency_key_reused"


def test_a_refusal_is_repeated_under_its_key_also_when_it_would_do_by_then(shop, user):
    campaign = CampaignFactory(budget=10)
    promotions.pause(campaign.pk)
    key = {"Idempotency-Key": "k-1"}
    first = shop.post(APPLY, cart(campaign, user), headers=key)
    promotions.resume(campaign.pk)
    again = shop.post(APPLY, cart(campaign, user), headers=key)
    assert first.content == again.content
    assert again.json()["code"] == "promotion_paused"
    assert shop.post(APPLY, cart(campaign, user)).status_code == 201


def test_an_order_is_granted_once_for_ever(shop, user):
    campaign = CampaignFactory(discount=MANY)
    first = shop.post(APPLY, cart(campaign, user, order_id="o-1")).json()
    shop.post(f"{REDEMPTIONS}/{first['id']}/reverse")
    answer = shop.post(APPLY, cart(campaign, user, order_id="o-1"))
    assert (answer.status_code, answer.json()["code"]) == (409, "order_already_redeemed")
    assert answer.json()["params"] == {"order_id": "o-1"}
    assert Redemption.objects.count() == 1
    for order_id in (None, None, "o-2"):
        assert shop.post(APPLY, cart(campaign, user, order_id=order_id)).status_code == 201


NOW = timezone.now()
REFUSED = [
    ({"paused_at": NOW}, {}, "promotion_paused", {}),
    (
        {"start_at": NOW.replace(2090, 1, 1, 0, 0, 0, 0), "activated_at": NOW},
        {},
        "promotion_not_started",
        {"starts_at": "2090-01-01T00:00:00Z"},
    ),
    (
        {"start_at": NOW.replace(2020, 1, 1, 0, 0, 0, 0)},
        {},
        "promotion_expired",
        {"ended_at": "2020-01-31T00:00:00Z"},
    ),
    ({}, {"currency": "EUR"}, "currency_mismatch", {"expected": "USD", "given": "EUR"}),
    ({}, {"currency": "JPY"}, "currency_mismatch", {"expected": "USD", "given": "JPY"}),
    ({"is_targeted": True}, {}, "not_targeted", {}),
    (
        {"discount": {"min_cart_value": 150}},
        {},
        "min_cart_value_not_met",
        {"required": "150.00", "actual": "100.00", "missing": "50.00"},
    ),
    (
        {"discount": {"min_cart_value": 150}, "currency": "JPY"},
        {"cart_value": "100"},
        "min_cart_value_not_met",
        {"required": "150", "actual": "100", "missing": "50"},
    ),
    ({}, {"cart_value": "0"}, "nothing_to_discount", {}),
    ({}, {"cart_value": "0.04"}, "nothing_to_discount", {}),
    ({"budget": 0}, {}, "budget_exhausted", {"left": "0.00"}),
    ({"budget": 0, "currency": "KWD"}, {}, "budget_exhausted", {"left": "0.000"}),
]


@pytest.mark.parametrize("url", [APPLY, RESERVATIONS])
@pytest.mark.parametrize(("made", "asked", "code", "params"), REFUSED)
def test_refusals_have_their_code_and_numbers(shop, user, url, made, asked, code, params):
    campaign = CampaignFactory(**made)
    problem = refused(shop.post(url, cart(campaign, user, "100") | asked))
    assert (problem["code"], problem["params"]) == (code, params)
    assert not Redemption.objects.exists()
    assert not Reservation.objects.exists()


def test_drafts_and_ended_campaigns_say_so(shop, user):
    problem = refused(shop.post(APPLY, cart(DraftCampaignFactory(), user)))
    assert (problem["code"], problem["params"]) == ("promotion_not_active", {"status": "draft"})
    campaign = CampaignFactory()
    promotions.change_status(campaign.pk, status="ended")
    problem = refused(shop.post(APPLY, cart(campaign, user)))
    assert problem["code"] == "promotion_ended"
    assert set(problem["params"]) == {"ended_at"}


def test_a_full_day_says_when_the_next_begins(shop, user):
    campaign = CampaignFactory(timezone="Asia/Tokyo")
    assert shop.post(APPLY, cart(campaign, user)).status_code == 201
    problem = refused(shop.post(APPLY, cart(campaign, user)))
    assert problem["code"] == "daily_limit_reached"
    resets_at = problem["params"].pop("resets_at")
    assert resets_at.endswith("T15:00:00Z")
    assert problem["params"] == {"used": 1, "limit": 1}
    assert problem["detail"] == "The customer's limit for today is reached (1/1)."


def test_what_is_not_there(shop, user):
    campaign = CampaignFactory()
    for body, words in (
        (cart(campaign, user) | {"campaign_id": 987_654}, "Campaign not found"),
        (cart(PromotionFactory(), user), "Campaign not found"),
        (cart(campaign, user) | {"customer_id": 987_654}, "User not found"),
    ):
        answer = shop.post(APPLY, body)
        assert (answer.status_code, answer.json()["detail"]) == (404, words)


def test_a_customer_applies_for_themselves_only(as_role, user):
    campaign = CampaignFactory(discount=MANY)
    customer = as_role("customer")
    assert customer.post(APPLY, cart(campaign, customer.user)).status_code == 201
    for url in (APPLY, RESERVATIONS):
        assert customer.post(url, cart(campaign, user)).status_code == 404
    assert Redemption.objects.get().user_id == customer.user.pk


WRONG = [
    ({"campaign_id": None}, "/campaign_id"),
    ({"campaign_id": "1_0"}, "/campaign_id"),
    ({"campaign_id": 2**63}, "/campaign_id"),
    ({"customer_id": True}, "/customer_id"),
    ({"cart_value": None}, "/cart_value"),
    ({"cart_value": "-1"}, "/cart_value"),
    ({"cart_value": "NaN"}, "/cart_value"),
    ({"cart_value": "1.001"}, "/cart_value"),
    ({"cart_value": "1000000000000"}, "/cart_value"),
    ({"delivery_charge": "0.001"}, "/delivery_charge"),
    ({"delivery_charge": ""}, "/delivery_charge"),
    ({"currency": "XYZ"}, "/currency"),
    ({"user_id": 1}, "/user_id"),
    ({"discount_amount": "99"}, "/discount_amount"),
]


@pytest.mark.parametrize(("wrong", "pointer"), WRONG)
def test_wrong_carts_are_named(shop, user, wrong, pointer):
    campaign = CampaignFactory()
    for url in (APPLY, RESERVATIONS):
        refused(shop.post(url, cart(campaign, user) | wrong), pointer)
    assert not Redemption.objects.exists()
    assert not Reservation.objects.exists()


@pytest.mark.parametrize("order_id", ["", "x" * 129, ["o"], {}, True])
def test_wrong_orders_are_named(shop, user, order_id):
    campaign = CampaignFactory()
    held = services.reserve(
        promotion_id=campaign.pk, user_id=UserFactory().pk, cart_value=Decimal(10)
    )
    refused(shop.post(APPLY, cart(campaign, user, order_id=order_id)), "/order_id")
    refused(shop.post(f"{RESERVATIONS}/{held.pk}/capture", {"order_id": order_id}), "/order_id")
    assert not Redemption.objects.exists()


def test_apply_and_reserve_are_limited_together(rate_limits, settings, as_role, shop, user):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"apply": "3/minute"}
    campaign = CampaignFactory(discount=MANY)
    customer = as_role("customer")
    body = cart(campaign, customer.user)
    statuses = [customer.post(url, body).status_code for url in (APPLY, RESERVATIONS, APPLY)]
    assert statuses == [201, 201, 201]
    for url in (APPLY, RESERVATIONS):
        answer = customer.post(url, body)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer["Retry-After"]) >= 1
        assert answer["RateLimit-Limit"] == "3"
    assert shop.post(APPLY, body).status_code == 201, "a key has a limit of its own"
    held = Reservation.objects.get()
    assert customer.post(f"{RESERVATIONS}/{held.pk}/release").status_code == 200
