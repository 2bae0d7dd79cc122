"""Coupons for a pool by calls: previewed, given, taken back."""

import pytest

from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from promotions.coupons.models import Coupon
from promotions.coupons.tests.calls import API, problem
from promotions.coupons.tests.factories import BookFactory, made

pytestmark = pytest.mark.django_db


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
