"""Distributions in the admin: asked, previewed with who is skipped, done, undone."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry
from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promotions.coupons.models import Coupon, Distribution
from promotions.coupons.services import distributing, holding
from promotions.coupons.tests.admin_pages import BOOKS, DISTRIBUTIONS, ask, book, confirm, words_of
from promotions.coupons.tests.factories import held, made
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db
PAGE = f"{DISTRIBUTIONS}distribute/"


@pytest.fixture
def client():
    return logged_in("marketer")[0]


@pytest.fixture
def pool():
    """Three people."""
    made_now = PoolFactory(name="Friends")
    for name in ("Alice", "Bob", "Carol"):
        PoolMembershipFactory(pool=made_now, user=UserFactory(name=name))
    return made_now


def asked(friends, one, **given):
    return {
        "pool": friends.pk, "book": one.pk, "mode": "equal", "counted": "each", "how_many": 1,
        "seed": 7, **given,
    }  # fmt: skip


def filled(count, **fields):
    one = book(**fields)
    made(one, count)
    return one


def test_a_plan_that_is_sent_twice_is_done_once(client, pool):
    """Nothing but the first sending tells it from the second: there are codes and room for both."""
    page = ask(client, PAGE, **asked(pool, filled(10)))
    confirm(client, page)
    again = confirm(client, page)
    assert said(again)[-1].startswith("The plan changed")
    assert Distribution.objects.get().assigned == 3
    assert Coupon.objects.filter(state="ASSIGNED").count() == 3


def test_a_pool_and_a_book_lead_to_the_question(client, pool):
    one = filled(1)
    pool_page = client.get(f"/admin/accounts/pool/{pool.pk}/change/").content.decode()
    assert f"{PAGE}?pool={pool.pk}" in pool_page
    assert f"{PAGE}?book={one.pk}" in client.get(f"{BOOKS}{one.pk}/change/").content.decode()
    form = client.get(f"{PAGE}?pool={pool.pk}&book={one.pk}").context["question"]
    assert (form["pool"].value(), form["book"].value()) == (pool.pk, one.pk)
    assert form["seed"].value() >= 0


def test_equal_shares_are_previewed_given_and_taken_back(client, pool):
    one = filled(10, name="Summer")
    page = ask(client, PAGE, **asked(pool, one, counted="all", how_many=8))
    words = words_of(page)
    for said_so in ("Free now 10", "Given 6 to 3 people", "A share 2", "Left over 2",
                    "Left free 4", "Seed 7, to repeat it", "Alice", "Bob", "Carol",
                    "Skipped 0"):  # fmt: skip
        assert said_so in words, said_so
    assert not Distribution.objects.exists()

    answer = confirm(client, page, reason="June")
    found = Distribution.objects.get()
    assert answer["Location"] == f"{DISTRIBUTIONS}{found.pk}/change/"
    assert said(answer)[0].startswith("6 coupons given to 3 people.")
    assert f"{DISTRIBUTIONS}{found.pk}/undo/" in said(answer)[0]
    assert Coupon.objects.filter(distribution=found).count() == 6
    entry = AuditEntry.objects.get(action="book.distribute")
    assert (entry.reason, entry.via) == ("June", "admin")

    undo = client.get(f"{DISTRIBUTIONS}{found.pk}/undo/")
    assert said(confirm(client, undo, reason="Wrong book"))[-1] == "6 coupons taken back."
    assert not Coupon.objects.exclude(state="UNASSIGNED").exists()
    assert client.get(f"{DISTRIBUTIONS}{found.pk}/undo/").context["plan"].count == 0
    assert "Taken back" in words_of(client.get(f"{DISTRIBUTIONS}{found.pk}/change/"))


def test_at_random_each_coupon_goes_to_somebody_as_the_seed_says(client, pool):
    one = filled(20)
    page = ask(client, PAGE, **asked(pool, one, mode="random", counted="all", how_many=11))
    shares = page.context["plan"].sharing.shares
    assert sum(shares.values()) == 11
    again = ask(client, PAGE, **asked(pool, one, mode="random", counted="all", how_many=11))
    assert again.context["plan"].sharing.shares == shares
    confirm(client, page)
    held_by = {user: Coupon.objects.filter(assigned_to_id=user).count() for user in shares}
    assert held_by == shares


def test_who_is_skipped_is_named_with_the_reason(client, pool):
    one = filled(10, max_assignments_per_user=1)
    full, closed = UserFactory(name="Frank Full"), UserFactory(name="Clara", is_active=False)
    held(full, one)
    add_users(pool.pk, user_ids=[full.pk, closed.pk])
    page = ask(client, PAGE, **asked(pool, one))
    words = words_of(page)
    assert "Skipped 2 people" in words
    assert "Frank Full The book's limit for a person" in words
    assert "Clara The account is closed" in words
    confirm(client, page)
    detail = words_of(client.get(f"{DISTRIBUTIONS}{Distribution.objects.get().pk}/change/"))
    assert "Frank Full The book's limit for a person" in detail
    assert "Alice" in detail


def test_a_plan_that_changed_gives_nothing(client, pool):
    one = filled(10)
    page = ask(client, PAGE, **asked(pool, one))
    add_users(pool.pk, user_ids=[UserFactory().pk])
    assert said(confirm(client, page)) == ["The plan changed, review it again."]
    for forged in ("", "x", "0" * 16):
        client.post(page.wsgi_request.get_full_path(), {"plan": forged})
    assert not Distribution.objects.exists()


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"how_many": 0}, "how_many", "greater than"),
        ({"how_many": 10**9}, "how_many", "less than"),
        ({"how_many": ""}, "how_many", "required"),
        ({"seed": "x"}, "seed", "whole number"),
        ({"seed": 2**60}, "seed", "less than"),
        ({"mode": "fair"}, "mode", "valid choice"),
        ({"counted": "x"}, "counted", "valid choice"),
        ({"pool": 4040}, "pool", "valid choice"),
        ({"book": "x"}, "book", "valid choice"),
        ({"book": 2**80}, "book", "valid choice"),
        (
            {"how_many": 2, "counted": "all"},
            "how_many",
            "fewer coupons than people who could have one",
        ),
        ({"how_many": 50}, "__all__", "The book has 5 free codes left."),
    ],
)
def test_what_cannot_be_is_said_at_the_form(client, pool, given, field, words):
    page = ask(client, PAGE, **asked(pool, filled(5), **given))
    assert page.status_code == 200
    assert words in str(page.context["question"].errors[field])
    assert not Distribution.objects.exists()


@pytest.mark.parametrize(
    "query",
    [f"pool=x&book={2**70}&seed=x&mode=x", "asked=1", "asked=1&pool=&book=&how_many=",
     "book=%00", "look=1&pool=1", "asked=1&asked=2&pool=1&pool=2"],
)  # fmt: skip
def test_no_address_is_a_500(client, query):
    assert client.get(f"{PAGE}?{query}").status_code in (200, 400)
    assert client.post(f"{PAGE}?{query}", {"plan": "x"}).status_code in (200, 400)


def test_books_that_are_shut_say_so(client, pool, ended):
    off, over = filled(5, is_active=False), ended(filled(5))
    assert "The book is not active." in words_of(ask(client, PAGE, **asked(pool, off)))
    assert "The book has ended." in words_of(ask(client, PAGE, **asked(pool, over)))


def test_nothing_is_taken_back_while_some_is_locked(client, pool):
    one = filled(5)
    found = distributing.distribute(pool.pk, book_id=one.pk, mode="equal", count=3).distribution
    coupon = found.coupons.first()
    holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    undo = client.get(f"{DISTRIBUTIONS}{found.pk}/undo/")
    assert said(confirm(client, undo))[-1] == "1 of its coupons are locked."
    assert found.coupons.count() == 3


def test_lists_and_pages_take_few_queries(client, pool):
    one = filled(40)

    def queries(url):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        return len(captured)

    def spread():
        return distributing.distribute(
            pool.pk, book_id=one.pk, mode="equal", count=3
        ).distribution.pk

    first = spread()
    few, page = queries(DISTRIBUTIONS), queries(f"{DISTRIBUTIONS}{first}/change/")
    for _ in range(4):
        spread()
    assert queries(DISTRIBUTIONS) == few <= 12
    assert page <= 12


@pytest.mark.parametrize("role", ["viewer", "ops"])
def test_others_look_and_give_nothing(role, pool):
    client, _ = logged_in(role)
    one = filled(5)
    found = distributing.distribute(pool.pk, book_id=one.pk, mode="equal", count=3).distribution
    page = client.get(f"{DISTRIBUTIONS}{found.pk}/change/")
    assert page.status_code == 200
    assert "Undo..." not in words_of(page)
    assert client.get(PAGE).status_code == 403
    query = "&".join(f"{name}={value}" for name, value in asked(pool, one).items())
    assert client.post(f"{PAGE}?asked=1&{query}", {"plan": "x"}).status_code == 403
    undo = client.post(f"{DISTRIBUTIONS}{found.pk}/undo/", {"plan": "x", "reason": "x"})
    assert undo.status_code == 403
    assert client.post(f"{DISTRIBUTIONS}add/", {}).status_code == 403
    assert found.coupons.count() == 3


def test_codes_of_a_distribution_are_masked(client, pool):
    one = filled(5)
    found = distributing.distribute(pool.pk, book_id=one.pk, mode="equal", count=3).distribution
    page = f"{DISTRIBUTIONS}{found.pk}/change/"
    admin, _ = logged_in("admin")
    for code in found.coupons.values_list("code", flat=True):
        assert code not in client.get(page).content.decode()
        assert code in admin.get(page).content.decode()
    assert client.get(f"{DISTRIBUTIONS}4040/undo/").status_code == 404
