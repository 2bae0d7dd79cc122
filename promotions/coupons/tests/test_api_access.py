"""Whose coupons the routes show and take, masks, and guessing."""

import pytest

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from promotions.coupons.services import holding
from promotions.coupons.tests.calls import API, problem
from promotions.coupons.tests.factories import BookFactory, held, made, named

pytestmark = pytest.mark.django_db


def test_customers_see_and_use_their_own(as_user):
    user, stranger = UserFactory(), UserFactory()
    coupon = held(user)
    client, other = as_user(user), as_user(stranger)
    url = f"{API}/coupons/{coupon.code}"
    assert client.get(url).json()["code"] == coupon.code
    assert client.get(f"{API}/users/me/coupons").json()["results"][0]["code"] == coupon.code
    assert other.get(f"{API}/users/me/coupons").json()["results"] == []
    assert other.get(f"{API}/users/{user.pk}/coupons").status_code == 404
    token = client.post(f"{API}/coupons/lock/{coupon.code}", {}).json()["lock_token"]
    unlock = f"{API}/coupons/unlock/{coupon.code}"
    assert problem(client.post(unlock, {"reason": "Mine"}))[1] == "validation_error"
    assert client.post(unlock, {"lock_token": token}).status_code == 200
    assert client.post(f"{API}/coupons/redeem/{coupon.code}", {}).status_code == 201


def test_unknown_foreign_and_free_codes_answer_a_customer_alike(as_user):
    foreign, (free,) = held(), made(BookFactory())
    client = as_user(UserFactory())
    codes = ["NOSUCHCODE", foreign.code, free.code, "%E2%98%83", "AB"]
    for verb, body in (("lock", {}), ("unlock", {"lock_token": "x"}), ("redeem", {})):
        answers = set()
        for code in codes:
            answer = client.post(f"{API}/coupons/{verb}/{code}", body).json()
            answers.add((answer["status"], answer["code"], answer["detail"], str(answer["params"])))
        assert answers == {(404, "coupon_not_found", "Coupon not found", "{}")}
    assert {client.get(f"{API}/coupons/{code}").status_code for code in codes} == {404}
    named_other = client.post(
        f"{API}/coupons/redeem/{foreign.code}", {"user_id": foreign.assigned_to_id}
    )
    assert problem(named_other)[:2] == (404, "coupon_not_found")


def test_looks_at_unknown_and_foreign_codes_cost_the_same(as_user, django_assert_num_queries):
    foreign = held()
    client = as_user(UserFactory())
    for code in ("NOSUCHCODE", foreign.code):
        with django_assert_num_queries(2):  # who asks, and the code
            client.get(f"{API}/coupons/{code}")


def test_anybody_may_use_a_public_code(as_user):
    book = BookFactory(
        requires_assignment=False, allow_multi_redemption=True, max_redemptions_per_user=1
    )
    named(book, "SUMMER20", uses=10)
    client = as_user(UserFactory())
    assert client.get(f"{API}/coupons/summer-20").json()["uses_left"] == 10
    used = client.post(f"{API}/coupons/redeem/summer-20", {})
    assert used.json()["uses_left"] == 9
    assert problem(client.post(f"{API}/coupons/redeem/summer-20", {})) == (
        422, "max_redemptions_exceeded", "Maximum redemptions exceeded (1/1)",
    )  # fmt: skip


def test_codes_are_masked_for_those_who_may_not_redeem_them(as_role, as_service, shop):
    coupon = held(prefix="SUMMER-")
    url = f"{API}/coupons/{coupon.code}"
    shown = f"{coupon.code[:2]}***{coupon.code[-2:]}"
    for client, seen in (
        (as_role("marketer"), shown),
        (as_role("ops"), shown),
        (as_service("read"), shown),
        (as_role("admin"), coupon.code),
        (shop, coupon.code),
    ):
        assert client.get(url).json()["code"] == seen
        listed = client.get(f"{API}/books/{coupon.book_id}/coupons").json()["results"]
        assert [row["code"] for row in listed] == [seen]
        listed = client.get(f"{API}/users/{coupon.assigned_to_id}/coupons").json()["results"]
        assert [row["code"] for row in listed] == [seen]


def test_ops_force_with_a_reason_only(as_role):
    coupon = held()
    holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    client, url = as_role("ops"), f"{API}/coupons/unlock/{coupon.code}"
    refused = client.post(url, {"user_id": coupon.assigned_to_id, "lock_token": "x"})
    assert refused.json()["errors"][0]["pointer"] == "/reason"
    assert client.post(url, {"reason": "The till crashed"}).json()["state"] == "ASSIGNED"
    entry = AuditEntry.objects.get(action="coupon.force_unlock")
    assert (entry.actor_user_id, entry.reason) == (client.user.pk, "The till crashed")


def test_services_say_for_whom(shop, as_role):
    coupon = held()
    for client in (shop, as_role("admin")):
        refused = client.post(f"{API}/coupons/redeem/{coupon.code}", {})
        assert refused.json()["errors"][0]["pointer"] == "/user_id"


def test_guessing_is_stopped_and_using_is_not(as_user, rate_limits, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"coupon_lookup": "3/minute"}
    user = UserFactory()
    coupon = held(user)
    client = as_user(user)
    url = f"{API}/coupons/{coupon.code}"
    for _ in range(6):
        assert client.get(url).status_code == 200
    for number in range(3):
        assert client.get(f"{API}/coupons/GUESS{number}").status_code == 404
    stopped = client.get(f"{API}/coupons/GUESS4")
    assert problem(stopped)[:2] == (429, "rate_limited")
    assert int(stopped["Retry-After"]) >= 1
    # A good guess must not be told from a bad one any more, whatever it is tried with.
    assert client.get(url).status_code == 429
    assert client.post(f"{API}/coupons/redeem/{coupon.code}", {}).status_code == 429
    # The same address, another person.
    assert as_user(UserFactory()).get(f"{API}/coupons/GUESS5").status_code == 429
