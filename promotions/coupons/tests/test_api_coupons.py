"""A coupon's life in calls, and its refusals."""

from decimal import Decimal

import pytest

from accounts.tests.factories import UserFactory
from promotions.coupons.models import Coupon
from promotions.coupons.states import State
from promotions.coupons.tests.calls import API, problem
from promotions.coupons.tests.factories import BookFactory, held, made
from promotions.discounts.tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db


def test_a_life_in_calls(shop):
    user = UserFactory()
    book = BookFactory()
    made(book, 5)
    assigned = shop.post(f"{API}/coupons/assign", {"book_id": book.pk, "user_id": user.pk})
    assert assigned.status_code == 201
    (coupon,) = assigned.json()["coupons"]
    assert coupon == {
        "id": coupon["id"],
        "code": coupon["code"],
        "book_id": book.pk,
        "state": "ASSIGNED",
        "assigned_to": user.pk,
        "assigned_at": coupon["assigned_at"],
        "distribution_id": None,
        "locked_until": None,
        "max_redemptions": 1,
        "uses": 0,
        "uses_left": 1,
        "redeemed_at": None,
        "expires_at": None,
    }
    code = coupon["code"].lower()
    body = {"user_id": user.pk}
    locked = shop.post(f"{API}/coupons/lock/{code}", {**body, "lock_duration_seconds": 600})
    assert locked.status_code == 200
    assert (locked.json()["state"], locked.json()["locked_until"] is not None) == ("LOCKED", True)
    token = locked.json()["lock_token"]
    assert problem(shop.post(f"{API}/coupons/lock/{code}", body)) == (
        409, "coupon_already_locked", "Already locked",
    )  # fmt: skip
    assert problem(shop.post(f"{API}/coupons/redeem/{code}", body)) == (
        409, "coupon_locked", "Cannot redeem LOCKED coupon",
    )  # fmt: skip
    wrong = shop.post(f"{API}/coupons/redeem/{code}", {**body, "lock_token": "x"})
    assert problem(wrong)[:2] == (409, "lock_token_mismatch")
    unlocked = shop.post(f"{API}/coupons/unlock/{code}", {**body, "lock_token": token})
    assert (unlocked.status_code, unlocked.json()["state"]) == (200, "ASSIGNED")
    used = shop.post(
        f"{API}/coupons/redeem/{code}", {**body, "metadata": {"till": 7}, "order_id": "o-1"}
    )
    assert used.status_code == 201
    assert used.json() == {
        "id": used.json()["id"],
        "coupon_id": coupon["id"],
        "book_id": book.pk,
        "user_id": user.pk,
        "order_id": "o-1",
        "metadata": {"till": 7},
        "redeemed_at": used.json()["redeemed_at"],
        "state": "REDEEMED",
        "uses_left": 0,
        "discount": None,
    }
    assert problem(shop.post(f"{API}/coupons/redeem/{code}", body)) == (
        409, "coupon_redeemed", "Terminal state",
    )  # fmt: skip
    assert problem(shop.post(f"{API}/coupons/lock/{code}", body)) == (
        409, "coupon_redeemed", "Invalid transition",
    )  # fmt: skip
    url = f"{API}/coupons/redemptions/{used.json()['id']}/reverse"
    assert shop.post(url, {"reason": "Returned"}).status_code == 201
    assert problem(shop.post(url, {}))[:2] == (409, "already_reversed")
    history = shop.get(f"{API}/coupons/{code}/history").json()["results"]
    assert [entry["action"] for entry in history] == [
        "coupon.reverse", "coupon.redeem", "coupon.unlock", "coupon.lock",
    ]  # fmt: skip
    assert "coupons_coupon" not in str(history)


def test_a_cart_is_discounted_with_the_code(shop):
    coupon = held(book=BookFactory(promotion=CampaignFactory(budget=100)))
    body = {"user_id": coupon.assigned_to_id}
    missing = shop.post(f"{API}/coupons/redeem/{coupon.code}", body)
    assert missing.json()["errors"][0]["pointer"] == "/cart_value"
    used = shop.post(f"{API}/coupons/redeem/{coupon.code}", {**body, "cart_value": "80.00"})
    assert used.status_code == 201
    discount = used.json()["discount"]
    assert Decimal(discount["discount_amount"]) == 8
    assert Decimal(discount["final_amount"]) == 72
    assert discount["currency"] == "USD"


def test_refusals_of_assigning_say_the_words(shop):
    book, user = BookFactory(max_assignments_per_user=5), UserFactory()
    made(book, 10)
    body = {"book_id": book.pk, "user_id": user.pk}
    shop.post(f"{API}/coupons/assign", {**body, "count": 5})
    assert problem(shop.post(f"{API}/coupons/assign", body)) == (
        422, "max_assignments_exceeded", "Maximum assignments exceeded (5/5)",
    )  # fmt: skip
    code = Coupon.objects.filter(state=State.ASSIGNED).first().code
    other = {"user_id": UserFactory().pk}
    assert problem(shop.post(f"{API}/coupons/assign/{code}", other)) == (
        409, "coupon_not_available", "Coupon not available",
    )  # fmt: skip
    empty = BookFactory()
    assert problem(shop.post(f"{API}/coupons/assign", {**other, "book_id": empty.pk}))[:2] == (
        409, "book_exhausted",
    )  # fmt: skip
    gone = shop.post(f"{API}/coupons/assign", {"book_id": book.pk, "user_id": 987_654})
    assert problem(gone) == (404, "not_found", "User not found")


def test_one_idempotency_key_has_one_effect(shop):
    coupon = held()
    url, body = f"{API}/coupons/lock/{coupon.code}", {"user_id": coupon.assigned_to_id}
    first, second = (shop.post(url, body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.content == second.content
    assert second["Idempotent-Replayed"] == "true"


def test_the_commits_refusal_is_a_problem_too(shop, monkeypatch):
    """A trigger that speaks at the commit is out of the service's hearing under a key."""
    from django.db import IntegrityError

    from promopulse.lib import refusals
    from promopulse.lib.problems import problem_for

    monkeypatch.setattr(
        refusals,
        "refusal_of",
        lambda error: refusals.Refusal("lock_token_mismatch", {}),
    )
    monkeypatch.setattr("promopulse.lib.problems.refusal_of", refusals.refusal_of)
    request = shop.get(f"{API}/books").wsgi_request
    answer = problem_for(IntegrityError("x"), request)
    assert (answer.status_code, answer.problem_code) == (409, "lock_token_mismatch")
