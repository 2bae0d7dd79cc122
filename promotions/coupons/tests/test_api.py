"""The coupon routes: shapes, statuses, words, masks, pages."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import AuditEntry
from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from promotions.coupons.models import CodeBatch, Coupon, CouponBook
from promotions.coupons.services import assigning, holding
from promotions.coupons.states import State
from promotions.coupons.tests.factories import BookFactory, held, made, named
from promotions.discounts.tests.factories import CampaignFactory
from promotions.tests.factories import PromotionFactory

pytestmark = pytest.mark.django_db
API = "/api/v1"


def problem(response):
    assert response["Content-Type"] == "application/problem+json", response.content
    body = response.json()
    return response.status_code, body["code"], body["detail"]


@pytest.fixture
def shop(as_service) -> APIClient:
    return as_service("coupons:redeem", "read", "refunds", "promotions:write")


# Books and codes


def test_a_book_as_it_is_made_and_read(as_role):
    client = as_role("marketer")
    body = {
        "name": "Summer Sale 2026",
        "expiration_date": "2099-09-01T00:00:00+02:00",
        "max_assignments_per_user": 5,
        "code_pattern": "SUMMER-{}",
    }
    response = client.post(f"{API}/books", body)
    assert response.status_code == 201
    book = response.json()
    assert book == {
        "id": CouponBook.objects.get().pk,
        "name": "Summer Sale 2026",
        "description": "",
        "promotion_id": None,
        "expiration_date": "2099-08-31T22:00:00Z",
        "requires_assignment": True,
        "allow_multi_redemption": False,
        "max_redemptions_per_user": None,
        "max_assignments_per_user": 5,
        "code_pattern": "SUMMER-{}",
        "is_active": True,
        "created_at": book["created_at"],
        "counts": {
            "total": 0, "unassigned": 0, "assigned": 0, "locked": 0, "redeemed": 0, "expired": 0,
        },
    }  # fmt: skip
    entry = AuditEntry.objects.get(action="book.create")
    assert entry.after["max_assignments_per_user"] == 5

    changed = client.patch(f"{API}/books/{book['id']}", {"name": "Sale", "is_active": False})
    assert (changed.json()["name"], changed.json()["is_active"]) == ("Sale", False)
    entry = AuditEntry.objects.get(action="book.update")
    assert entry.before == {"name": "Summer Sale 2026", "is_active": True}
    client.patch(f"{API}/books/{book['id']}", {"name": "Sale"})
    assert AuditEntry.objects.filter(action="book.update").count() == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "N", "expiration_date": "2026-09-01T00:00:00"}, "/expiration_date"),
        ({"name": "N", "expiration_date": "2001-09-01T00:00:00Z"}, "/expiration_date"),
        ({"name": "N", "promotion_id": 987_654}, "/promotion_id"),
        ({"name": "N", "max_assignments_per_user": 0}, "/max_assignments_per_user"),
        ({"name": "N", "code_pattern": "SUMMER"}, "/code_pattern"),
        ({"name": "N", "colour": "red"}, "/colour"),
    ],
)
def test_books_that_cannot_be(as_role, body, pointer):
    response = as_role("marketer").post(f"{API}/books", body)
    assert response.status_code == 422
    assert pointer in [error["pointer"] for error in response.json()["errors"]]


def test_many_uses_are_one_each_unless_said(as_role):
    client = as_role("marketer")
    for body, limit in (
        ({"allow_multi_redemption": True}, 1),
        ({"allow_multi_redemption": True, "max_redemptions_per_user": None}, None),
        ({}, None),
    ):
        book = client.post(f"{API}/books", {"name": "N", **body}).json()
        assert book["max_redemptions_per_user"] == limit


def test_limits_and_ends_keep_their_word(as_role, ended):
    client = as_role("marketer")
    coupon = held(book=BookFactory(max_assignments_per_user=3))
    user = coupon.assigned_to_id
    assigning.assign_code(made(coupon.book)[0].code, user_id=user)
    url = f"{API}/books/{coupon.book_id}"
    response = client.patch(url, {"max_assignments_per_user": 1})
    assert response.json()["errors"][0]["pointer"] == "/max_assignments_per_user"
    ended(coupon.book)
    response = client.patch(url, {"expiration_date": None})
    assert response.json()["errors"][0]["pointer"] == "/expiration_date"


def test_counts_are_those_of_this_moment(as_role, clock, ended):
    book = BookFactory()
    made(book, 3)
    coupon = held(book=book)
    holding.lock(coupon.code, user_id=coupon.assigned_to_id, seconds=60)
    url = f"{API}/books/{book.pk}"

    def counts():
        found = as_role("ops").get(url).json()["counts"]
        return {name: number for name, number in found.items() if number}

    assert counts() == {"total": 4, "unassigned": 3, "locked": 1}
    clock(timedelta(seconds=61))
    assert counts() == {"total": 4, "unassigned": 3, "assigned": 1}
    ended(book)
    assert counts() == {"total": 4, "expired": 4}


def test_lists_of_books_cost_the_same_at_any_length(as_role, django_assert_num_queries):
    client = as_role("marketer")
    for book in BookFactory.create_batch(5):
        made(book, 2)
    with django_assert_num_queries(2):
        answer = client.get(f"{API}/books").json()
    assert [row["counts"]["total"] for row in answer["results"]] == [2] * 5
    BookFactory.create_batch(20)
    with django_assert_num_queries(2):
        client.get(f"{API}/books")


def test_codes_are_generated_at_once_or_by_a_job(as_role):
    client, book = as_role("marketer"), BookFactory()
    url = f"{API}/books/{book.pk}/codes/generate"
    small = client.post(url, {"count": 50, "pattern": "X-{}", "length": 6})
    assert small.status_code == 201
    assert (small.json()["status"], small.json()["done"]) == ("done", 50)
    large = client.post(url, {"count": 10_001})
    assert large.status_code == 202
    batch = large.json()
    assert (batch["status"], batch["done"], batch["total"]) == ("running", 0, 10_001)
    one = f"{API}/books/{book.pk}/batches/{batch['id']}"
    assert client.get(one).json() == batch
    assert client.post(f"{one}/cancel", {"reason": "No"}).json()["status"] == "cancelled"
    assert len(client.get(f"{API}/books/{book.pk}/batches").json()["results"]) == 2
    assert client.get(f"{API}/books/{BookFactory().pk}/batches/{batch['id']}").status_code == 404
    refused = client.post(url, {"count": 100, "length": 4, "charset": "ABC"})
    assert problem(refused) == (
        422,
        "capacity_exceeded",
        "At most 0 codes can be made with this pattern.",
    )
    assert refused.json()["params"] == {"most": 0, "possible": 81, "asked": 100}


def test_codes_are_brought_as_json_and_as_a_file(as_role):
    client, book = as_role("marketer"), BookFactory()
    url = f"{API}/books/{book.pk}/codes"
    done = client.post(url, {"codes": ["GOLD-1", "GOLD-2"]})
    assert done.status_code == 201
    assert done.json() == {
        "dry_run": False,
        "batch_id": CodeBatch.objects.get().pk,
        "created": 2,
        "duplicates": 0,
        "invalid": 0,
        "rows": [
            {"index": 0, "code": "GOLD-1", "verdict": "created", "detail": ""},
            {"index": 1, "code": "GOLD-2", "verdict": "created", "detail": ""},
        ],
    }
    again = client.post(url, {"codes": ["gold1", "GOLD-3"]})
    assert problem(again)[:2] == (409, "coupon_not_available")
    assert again.json()["errors"] == [
        {"pointer": "/codes/0", "code": "duplicate", "detail": "The code exists already."}
    ]
    file = SimpleUploadedFile("codes.csv", b"code,note\nGOLD-2,x\nGOLD-3,y\nA/B,z\n")
    body = {"file": file, "on_duplicate": "skip", "dry_run": "true"}
    tried = client.post(f"{url}/upload", body, format="multipart")
    assert tried.status_code == 200
    assert [row["verdict"] for row in tried.json()["rows"]] == ["duplicate", "created", "invalid"]
    file.seek(0)
    done = client.post(f"{url}/upload", {"file": file, "on_duplicate": "skip"}, format="multipart")
    assert (done.status_code, done.json()["created"]) == (201, 1)
    assert set(Coupon.objects.values_list("code", flat=True)) == {"GOLD-1", "GOLD-2", "GOLD-3"}


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_exports_stream_and_are_masked_for_those_who_may_not_redeem(as_role, shop, kind):
    book = BookFactory()
    named(book, "GOLD-2026-A")
    coupon = held(book=book, prefix="Z")
    url = f"{API}/books/{book.pk}/codes/export?as={kind}"

    def rows(client, query=""):
        response = client.get(url + query)
        assert response.streaming
        text = b"".join(response.streaming_content).decode()
        if kind == "ndjson":
            return [json.loads(line) for line in text.splitlines()]
        head, *lines = text.splitlines()
        return [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]

    assert [row["code"] for row in rows(shop)] == ["GOLD-2026-A", coupon.code]
    assert [row["state"] for row in rows(shop)] == ["UNASSIGNED", "ASSIGNED"]
    assert rows(as_role("marketer"))[0]["code"] == "GO***-A"
    assert [row["code"] for row in rows(shop, "&state=ASSIGNED")] == [coupon.code]
    assert shop.get(f"{url}x").status_code == 422


def test_the_promotion_of_a_book_is_not_deleted(as_role):
    draft = PromotionFactory()
    BookFactory(promotion=draft)
    response = as_role("marketer").delete(f"{API}/promotions/{draft.pk}")
    assert problem(response) == (
        409, "promotion_in_use", "The promotion is that of a coupon book.",
    )  # fmt: skip


# A coupon's life


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


# Whose


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


# Lists


def test_lists_are_filtered_by_what_coupons_are_now(shop, clock):
    book, user = BookFactory(), UserFactory()
    free = made(book, 2)
    lapsed, locked, used = held(user, book), held(user, book), held(user, book)
    holding.lock(lapsed.code, user_id=user.pk, seconds=5)
    holding.lock(locked.code, user_id=user.pk, seconds=600)
    shop.post(f"{API}/coupons/redeem/{used.code}", {"user_id": user.pk})
    clock(timedelta(seconds=6))

    def ids(url):
        return [row["id"] for row in shop.get(url).json()["results"]]

    expected = {
        "UNASSIGNED": [free[1].pk, free[0].pk],
        "ASSIGNED": [lapsed.pk],
        "LOCKED": [locked.pk],
        "REDEEMED": [used.pk],
        "EXPIRED": [],
    }
    for state, found in expected.items():
        assert ids(f"{API}/books/{book.pk}/coupons?state={state}") == found
        mine = [] if state == "UNASSIGNED" else found
        assert ids(f"{API}/users/{user.pk}/coupons?state={state}") == mine
    everything = [used.pk, locked.pk, lapsed.pk, free[1].pk, free[0].pk]
    assert ids(f"{API}/books/{book.pk}/coupons") == everything
    assert ids(f"{API}/books/{book.pk}/coupons?assigned_to={user.pk}") == everything[:3]
    page = shop.get(f"{API}/books/{book.pk}/coupons?limit=2").json()
    assert [row["id"] for row in page["results"]] == everything[:2]
    assert ids(page["next"]) == everything[2:4]


def test_an_ended_book_expires_its_coupons_in_every_list(shop, ended):
    coupon = held()
    ended(coupon.book)
    for url in (f"books/{coupon.book_id}/coupons", f"users/{coupon.assigned_to_id}/coupons"):
        assert shop.get(f"{API}/{url}?state=ASSIGNED").json()["results"] == []
        (row,) = shop.get(f"{API}/{url}?state=EXPIRED").json()["results"]
        assert row["state"] == "EXPIRED"
    refused = shop.post(f"{API}/coupons/redeem/{coupon.code}", {"user_id": coupon.assigned_to_id})
    assert problem(refused)[:2] == (410, "coupon_expired")


@pytest.mark.parametrize("rows", [1, 30])
def test_a_list_costs_the_same_queries_at_any_length(as_role, django_assert_num_queries, rows):
    book = BookFactory()
    made(book, rows)
    client = as_role("admin")
    with django_assert_num_queries(3):
        assert len(client.get(f"{API}/books/{book.pk}/coupons").json()["results"]) == rows


# Pools


def test_a_pool_is_given_what_was_planned(as_role, shop):
    pool, book = PoolFactory(), BookFactory()
    users = [UserFactory().pk for _ in range(3)]
    add_users(pool.pk, user_ids=users)
    made(book, 10)
    url = f"{API}/pools/{pool.pk}/distribute"
    body = {"book_id": book.pk, "mode": "equal", "count": 7}
    planned = as_role("marketer").post(url, {**body, "dry_run": True})
    assert planned.status_code == 200
    plan = planned.json()
    assert plan == {
        "dry_run": True,
        "distribution_id": None,
        "plan": plan["plan"],
        "book_id": book.pk,
        "pool_id": pool.pk,
        "mode": "equal",
        "seed": plan["seed"],
        "available": 10,
        "count": 6,
        "remainder": 1,
        "skipped": [],
        "assignments": [{"user_id": user, "count": 2, "codes": []} for user in users],
    }
    body |= {"seed": plan["seed"], "expect_plan": plan["plan"]}
    done = shop.post(url, body)
    assert done.status_code == 201
    for row in done.json()["assignments"]:
        codes = Coupon.objects.filter(assigned_to_id=row["user_id"])
        assert row["codes"] == sorted(codes.values_list("code", flat=True))
    assert problem(shop.post(url, body | {"count": 9}))[:2] == (409, "book_exhausted")
    assert problem(shop.post(url, body | {"count": 4}))[:2] == (409, "plan_changed")
    one = f"{API}/books/{book.pk}/distributions/{done.json()['distribution_id']}"
    assert shop.get(one).json()["assigned"] == 6
    coupons = shop.get(
        f"{API}/books/{book.pk}/coupons?distribution_id={done.json()['distribution_id']}"
    )
    assert len(coupons.json()["results"]) == 6
    marketer = as_role("marketer")
    assert marketer.post(f"{one}/undo", {"reason": "Wrong pool"}).json()["undone_at"]
    assert marketer.get(f"{API}/books/{book.pk}/distributions").json()["results"][0]["undone_at"]
    again = marketer.post(url, {"book_id": book.pk, "mode": "random", "count": 3})
    assert all("***" in code for row in again.json()["assignments"] for code in row["codes"])
    other = f"{API}/books/{BookFactory().pk}/distributions/{done.json()['distribution_id']}"
    assert shop.get(other).status_code == 404
