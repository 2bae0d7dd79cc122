"""Discounts under an Idempotency-Key: noted by the statement that grants, answered afterwards."""

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts import idempotency
from accounts.keys import create_key
from accounts.models import IdempotencyRecord
from accounts.tests.factories import UserFactory
from accounts.tests.threads import at_once
from promotions.discounts.models import Redemption, Reservation
from promotions.discounts.services import granting
from promotions.discounts.services.effects import Effect
from promotions.discounts.tests.carts import APPLY, MANY, REDEMPTIONS, RESERVATIONS, cart
from promotions.discounts.tests.factories import CampaignFactory
from promotions.discounts.tests.ledgers import FLAT, balance, broken, reserve

KEY = {"Idempotency-Key": "k-1"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(as_service):
    return as_service("discounts:apply", "refunds", "read")


@pytest.fixture
def campaign():
    return CampaignFactory(budget=100, discount=MANY)


def calls(campaign):
    """Each call that moves money in one statement: its path, its body, and how often it counts."""
    user, held, other = UserFactory(), reserve(campaign), reserve(campaign)
    return {
        "apply": (APPLY, cart(campaign, user, order_id="o-1")),
        "reserve": (RESERVATIONS, cart(campaign, user)),
        "capture": (f"{RESERVATIONS}/{held.pk}/capture", {"order_id": "o-2"}),
        "release": (f"{RESERVATIONS}/{other.pk}/release", {}),
    }


ACTIONS = ("apply", "reserve", "capture", "release")


@pytest.mark.parametrize("action", ACTIONS)
def test_an_answer_that_was_not_stored_is_made_again_byte_for_byte(
    shop, campaign, monkeypatch, action
):
    """As after a crash between the effect and its answer; whatever came of the effect since."""
    path, body = calls(campaign)[action]
    with monkeypatch.context() as crashed:
        crashed.setattr(idempotency, "keep", lambda claim, answer: None)
        first = shop.post(path, body, headers=KEY)
    assert first.status_code in (200, 201)
    record = IdempotencyRecord.objects.get()
    assert (record.body, record.subject_id) == (None, first.json()["id"])
    before = (balance(campaign), Redemption.objects.count(), Reservation.objects.count())
    if action == "reserve":
        shop.post(f"{RESERVATIONS}/{first.json()['id']}/release")
    elif action != "release":
        shop.post(f"{REDEMPTIONS}/{first.json()['id']}/reverse", {"amount": "1"})
    for _ in range(2):
        again = shop.post(path, body, headers=KEY)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again["Idempotent-Replayed"] == "true"
        assert str(IdempotencyRecord.objects.get().body) == first.content.decode()
    assert (Redemption.objects.count(), Reservation.objects.count()) == before[1:]
    assert not broken()


@pytest.mark.parametrize("action", ACTIONS)
def test_an_answer_is_stored_once_it_is_made(shop, campaign, action):
    path, body = calls(campaign)[action]
    first = shop.post(path, body, headers=KEY)
    record = IdempotencyRecord.objects.get()
    assert (str(record.body), record.status) == (first.content.decode(), first.status_code)
    assert first["Idempotency-Key"] == "k-1"
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM accounts_idempotencyrecord")
        assert bytes(cursor.fetchone()[0]).startswith(b"gAAAA"), "encrypted"
    other = shop.post(path, {"order_id": "another"}, headers=KEY)
    assert other.json()["code"] == "idempotency_key_reused"


def test_an_answer_that_cannot_be_stored_is_given_all_the_same(shop, campaign, monkeypatch):
    path, body = calls(campaign)["apply"]

    class Away:
        def fetch(self, params):
            raise idempotency.DatabaseError("away")

    with monkeypatch.context() as away:
        away.setattr(idempotency, "_KEEP", Away())
        first = shop.post(path, body, headers=KEY)
    assert first.status_code == 201
    assert shop.post(path, body, headers=KEY).content == first.content


def test_what_is_not_there_is_not_there_under_a_key_either(shop):
    answer = shop.post(f"{RESERVATIONS}/987654/capture", headers=KEY)
    assert (answer.status_code, answer.json()["detail"]) == (404, "Reservation not found")
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_32_at_once_under_one_key_are_one_grant():
    campaign, user = CampaignFactory(budget=100, discount=FLAT | MANY), UserFactory()
    _key, text = create_key(name="Shop", scopes=["discounts:apply"])
    body = cart(campaign, user)

    def send():
        client = APIClient(headers={"Authorization": f"Api-Key {text}"})
        return client.post(APPLY, body, headers=KEY)

    answers = at_once(send, times=32)
    made = [answer for answer in answers if answer.status_code == 201]
    busy = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert busy <= {"idempotency_in_progress"}
    assert {answer.content for answer in made} == {made[0].content}
    assert Redemption.objects.count() == 1
    assert sum(balance(campaign)) == Redemption.objects.get().amount
    assert not broken()


def test_the_records_index_undoes_an_effect_that_was_let_through(campaign, monkeypatch):
    """Of two at once, the later one may have looked for the record before it was committed."""
    monkeypatch.setattr(idempotency, "FREE", "%(claim_lock)s::bigint IS NOT NULL")
    unguarded = Effect("unguarded", Redemption, granting.SQL, status=201, refusals=())
    claim = idempotency.Claim("key:1", "POST /apply", "k-1", b"f" * 32)
    asked = {"promotion_id": campaign.pk, "user_id": UserFactory().pk, "currency": "USD"}
    asked |= {"cart_value": 100, "delivery_charge": 0, "order_id": None}
    assert unguarded.run(asked, claim).amount == 10
    with pytest.raises(idempotency.NotOurs):
        unguarded.run(asked, claim)
    assert Redemption.objects.count() == 1
    assert balance(campaign) == (0, 10)
    assert not broken()
