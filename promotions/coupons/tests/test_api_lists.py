"""The lists of coupons: filtered by what is so now, at one cost."""

from datetime import timedelta

import pytest

from accounts.tests.factories import UserFactory
from promotions.coupons.services import holding
from promotions.coupons.tests.calls import API, problem
from promotions.coupons.tests.factories import BookFactory, held, made

pytestmark = pytest.mark.django_db


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
