"""Holding discounts over HTTP: reserve, then capture or release."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.tests.factories import UserFactory
from promotions import services as promotions
from promotions.discounts import services
from promotions.discounts.models import Redemption, Reservation
from promotions.discounts.tests.carts import RESERVATIONS, cart
from promotions.discounts.tests.factories import CampaignFactory
from promotions.models import Budget
from promotions.tests.refusals import refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(as_service):
    return as_service("discounts:apply", "refunds", "read")


@pytest.fixture
def user():
    return UserFactory()


def test_reserve_capture(shop, user):
    campaign = CampaignFactory(budget=100)
    response = shop.post(RESERVATIONS, cart(campaign, user, ttl_seconds=60))
    assert response.status_code == 201, response.content
    answer = response.json()
    held = Reservation.objects.get()
    assert held.expires_at - held.created_at == timedelta(seconds=60)
    assert answer == {
        "id": held.pk,
        "campaign_id": campaign.pk,
        "customer_id": user.pk,
        "currency": "USD",
        "cart_value": "100.00",
        "delivery_charge": "0.00",
        "original_amount": "100.00",
        "amount": "10.00",
        "final_amount": "90.00",
        "limited_by": "",
        "state": "open",
        "created_at": answer["created_at"],
        "expires_at": answer["expires_at"],
        "closed_at": None,
    }
    url = f"{RESERVATIONS}/{held.pk}"
    assert shop.get(url).json() == answer
    promotions.change_status(campaign.pk, status="ended")
    captured = shop.post(f"{url}/capture", {"order_id": "o-1"})
    assert captured.status_code == 200
    redemption = captured.json()
    assert (redemption["discount_amount"], redemption["order_id"]) == ("10.00", "o-1")
    assert (redemption["reservation_id"], redemption["id"]) == (
        held.pk,
        Redemption.objects.get().pk,
    )
    assert shop.get(url).json()["state"] == "captured"
    for again in ("capture", "release"):
        closed = shop.post(f"{url}/{again}")
        assert (closed.status_code, closed.json()["code"]) == (409, "reservation_closed")
        assert closed.json()["params"] == {"state": "captured"}


def test_release(shop, user):
    campaign = CampaignFactory(budget=100)
    held = shop.post(RESERVATIONS, cart(campaign, user)).json()
    answer = shop.post(f"{RESERVATIONS}/{held['id']}/release")
    assert (answer.status_code, answer.json()["state"]) == (200, "released")
    assert answer.json()["closed_at"] is not None
    assert Budget.objects.get().left == 100
    refused(shop.post(f"{RESERVATIONS}/{held['id']}/release", {"reason": "x"}), "/reason")


def test_an_overdue_one_reads_as_expired(shop, user):
    campaign = CampaignFactory(budget=100)
    held = shop.post(RESERVATIONS, cart(campaign, user, ttl_seconds=1)).json()
    url = f"{RESERVATIONS}/{held['id']}"
    time.sleep(1.1)
    assert Reservation.objects.get().state == "open"
    assert shop.get(url).json()["state"] == "expired"
    for move in ("capture", "release"):
        answer = shop.post(f"{url}/{move}")
        assert (answer.status_code, answer.json()["code"]) == (410, "reservation_expired")
    assert services.release_overdue() == 1
    assert shop.get(url).json()["state"] == "expired"
    assert not Redemption.objects.exists()


@pytest.mark.parametrize("ttl", [0, -1, 86_401, 1.5, "soon", None, True])
def test_wrong_lengths(shop, user, ttl):
    refused(shop.post(RESERVATIONS, cart(CampaignFactory(), user, ttl_seconds=ttl)), "/ttl_seconds")


def test_another_persons_reservation_is_not_there(as_role, user):
    campaign = CampaignFactory()
    held = services.reserve(
        promotion_id=campaign.pk, user_id=user.pk, cart_value=Decimal(100), ttl_seconds=600
    )
    customer = as_role("customer")
    url = f"{RESERVATIONS}/{held.pk}"
    answers = [customer.get(url), customer.post(f"{url}/capture"), customer.post(f"{url}/release")]
    assert {answer.json()["detail"] for answer in answers} == {"Reservation not found"}
    assert Reservation.objects.get().state == "open"


def test_a_capture_repeated_under_its_key_is_one(shop, user):
    held = shop.post(RESERVATIONS, cart(CampaignFactory(), user)).json()
    url = f"{RESERVATIONS}/{held['id']}/capture"
    answers = [shop.post(url, headers={"Idempotency-Key": "c-1"}) for _ in range(2)]
    assert answers[0].status_code == answers[1].status_code == 200
    assert answers[0].content == answers[1].content
    assert Redemption.objects.count() == 1
