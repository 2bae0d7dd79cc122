"""The routes of books and codes: made, brought, exported; shapes, words, counts."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import AuditEntry
from promotions.coupons.models import CodeBatch, Coupon, CouponBook
from promotions.coupons.services import assigning, holding
from promotions.coupons.tests.calls import API, problem
from promotions.coupons.tests.factories import BookFactory, held, made, named
from promotions.tests.factories import PromotionFactory

pytestmark = pytest.mark.django_db


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
