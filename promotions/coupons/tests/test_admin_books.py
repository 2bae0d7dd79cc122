"""Books in the admin: the list with its bars, the form with its rules, the tabs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from promopulse.lib.time import db_now
from promotions.coupons.models import CouponBook
from promotions.coupons.services import books, holding, redeeming
from promotions.coupons.tests.admin_pages import BOOKS, book, book_page, words_of
from promotions.coupons.tests.factories import held, made
from promotions.tests.admin_pages import as_sent, logged_in
from promotions.tests.factories import ActivePromotionFactory

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def test_the_list_says_what_is_left_in_a_bar_and_in_words(client):
    summer = book(name="Summer", promotion=ActivePromotionFactory(name="June"))
    made(summer, 8)
    held(book=summer)
    holding.lock(held(book=summer).code, user_id=summer.coupons.latest("pk").assigned_to_id)
    page = client.get(BOOKS)
    (bar,) = [part for part in page.content.decode().split("<figure") if "pp-of-" in part]
    assert 'role="img" aria-label="8 free, 1 assigned, 1 locked"' in bar
    assert bar.count("<rect") == 3
    words = words_of(page)
    assert "8 of 10" in words
    assert "June" in words
    assert "Open" in words


def test_the_list_takes_no_query_a_row(client):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(BOOKS).status_code == 200
        return len(captured)

    made(book(), 3)
    few = queries()
    for _ in range(5):
        made(book(promotion=ActivePromotionFactory()), 3)
    assert queries() == few <= MOST_QUERIES


def names(page):
    return {row.name for row in page.context["cl"].result_list}


def test_books_with_few_codes_are_found(client, ended):
    full, low, none, empty = (book(name=name) for name in ("full", "low", "none", "empty"))
    made(full, 10)
    made(low, 1)
    for _ in range(9):
        held(book=low)
    held(book=none)
    assert names(client.get(BOOKS, {"left": "low"})) == {"low", "none"}
    assert names(client.get(BOOKS, {"left": "none"})) == {"none"}
    ended(full)
    assert names(client.get(BOOKS, {"end": "past"})) == {"full"}
    assert names(client.get(BOOKS, {"end": "open"})) == {"low", "none", "empty"}
    assert names(client.get(BOOKS, {"q": "EMP"})) == {"empty"}
    assert names(client.get(BOOKS, {"q": str(empty.pk)})) == {"empty"}
    assert names(client.get(BOOKS, {"left": "x", "end": "x"})) == {"full", "low", "none", "empty"}


FORM = {"name": "Summer", "description": "", "requires_assignment": "on", "is_active": "on"}


def test_a_book_is_made_and_changed_by_the_services():
    client, user = logged_in("marketer")
    promotion = ActivePromotionFactory()
    form = FORM | {
        "promotion": promotion.pk,
        "ends_0": "2099-06-01",
        "ends_1": "00:00+02:00",
        "allow_multi_redemption": "on",
        "max_assignments_per_user": "5",
        "code_pattern": "SUMMER-{}",
    }
    answer = client.post(f"{BOOKS}add/", form)
    one = CouponBook.objects.get()
    assert answer["Location"] == book_page(one), "where its codes are made or brought"
    page = client.get(answer["Location"]).content.decode()
    for step in ("generate", "upload"):
        assert f"{BOOKS}{one.pk}/{step}/" in page
    assert one.expires_at.isoformat() == "2099-05-31T22:00:00+00:00"
    assert (one.promotion, one.max_assignments_per_user, one.max_redemptions_per_user) == (
        promotion, 5, 1,
    )  # fmt: skip
    sent = as_sent(client, book_page(one))
    assert client.post(book_page(one), sent).status_code == 302
    assert CouponBook.objects.get().version == 1, "sent back as it was, nothing is an edit"
    client.post(book_page(one), sent | {"name": "Autumn", "max_redemptions_per_user": ""})
    one.refresh_from_db()
    assert (one.name, one.max_redemptions_per_user, one.version) == ("Autumn", None, 2)
    made_by, changed_by = AuditEntry.objects.filter(object_type="couponbook").order_by("pk")
    assert (made_by.actor_user, made_by.via, made_by.action) == (user, "admin", "book.create")
    assert changed_by.after == {"name": "Autumn", "max_redemptions_per_user": None}


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"name": ""}, "name", "required"),
        ({"ends_0": "2001-01-01", "ends_1": "00:00"}, "ends", "must be in the future"),
        ({"ends_0": "2001-13-01", "ends_1": "00:00"}, "ends", "valid date"),
        ({"ends_0": "9999-12-31", "ends_1": "23:59"}, "ends", "1970 to 9998"),
        ({"ends_0": "2099-01-01", "ends_1": "noon"}, "ends", "such as 09:30"),
        ({"code_pattern": "SUMMER"}, "code_pattern", "One {} is expected"),
        ({"code_pattern": "{}é"}, "code_pattern", "only"),
        ({"max_assignments_per_user": "0"}, "max_assignments_per_user", "greater than"),
        ({"max_assignments_per_user": "9" * 400}, "max_assignments_per_user", "less than"),
        ({"max_redemptions_per_user": "x"}, "max_redemptions_per_user", "whole number"),
        ({"promotion": "4040"}, "promotion", "valid choice"),
        ({"promotion": str(2**80)}, "promotion", "valid choice"),
        ({"name": "a\x00b"}, "name", "Null characters"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(client, values, field, words):
    answer = client.post(f"{BOOKS}add/", FORM | values)
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert words in str(errors[field])
    assert not CouponBook.objects.exists()


def test_what_the_rules_forbid_names_its_field(client):
    one = book(allow_multi_redemption=True, max_assignments_per_user=5)
    made(one, 1, max_redemptions=3)
    user = UserFactory()
    held(user, one)
    held(user, one)
    sent = as_sent(client, book_page(one))
    less = client.post(book_page(one), sent | {"max_assignments_per_user": "1"})
    errors = less.context["adminform"].form.errors
    assert errors["max_assignments_per_user"] == ["Somebody has more than that already."]
    single = {key: value for key, value in sent.items() if key != "allow_multi_redemption"}
    errors = client.post(book_page(one), single).context["adminform"].form.errors
    assert errors["allow_multi_redemption"] == ["The book has codes with more than one use."]


def test_an_end_that_has_passed_is_fixed_and_says_why(client, ended):
    one = ended(book())
    before = one.expires_at
    page = client.get(book_page(one))
    assert "An end that has passed cannot move." in page.content.decode()
    assert "ends" not in page.context["adminform"].form.fields
    assert [words for words, _url in page.context["moves"]] == ["Export codes"]
    sent = as_sent(client, book_page(one)) | {"ends_0": "2099-01-01", "ends_1": "00:00"}
    client.post(book_page(one), sent | {"name": "Over"})
    one.refresh_from_db()
    assert (one.name, one.expires_at) == ("Over", before)


def test_the_second_of_two_who_save_is_told(client):
    one = book(name="Summer")
    sent = as_sent(client, book_page(one))
    books.update_book(one.pk, changes={"name": "July"})
    answer = client.post(book_page(one), sent | {"description": "Mine"})
    words = str(answer.context["adminform"].form.errors)
    assert "Somebody else saved this book meanwhile" in words
    assert "name: Summer -&gt; July" in words
    one.refresh_from_db()
    assert (one.name, one.description) == ("July", "")


@pytest.mark.parametrize("tab", ["", "batches", "coupons", "distributions", "history"])
def test_the_tabs_take_few_queries_whatever_is_in_the_book(client, tab):
    one = book(promotion=ActivePromotionFactory())

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(book_page(one, tab)).status_code == 200
        # No code is counted, whatever a page says of them.
        counted = [q["sql"] for q in captured if "count(*)" in q["sql"].lower()]
        assert all("LOCKED" in sql for sql in counted if "coupons_coupon" in sql)
        return len(captured)

    made(one, 1)
    few = queries()
    for _ in range(4):
        made(one, 2)
        held(book=one)
    assert queries() <= few + 1, "the first change is looked up with its people"
    assert few <= MOST_QUERIES


def test_what_the_tabs_say(client):
    one = book(name="Summer", description="For June", max_assignments_per_user=5)
    user = UserFactory(name="Alice")
    redeeming.redeem(held(user, one).code, user_id=user.pk)
    made(one, 3)
    overview = words_of(client.get(book_page(one)))
    for words in ("For June", "3 free", "1 redeemed", "4 in all", "At most 5", "Never"):
        assert words in overview, words
    assert "3 of 3" in words_of(client.get(book_page(one, "batches")))
    coupons = client.get(book_page(one, "coupons")).content.decode()
    assert "1 of 1" in coupons
    for code in one.coupons.values_list("code", flat=True):
        assert code not in coupons, "masked"
    assert "generate" in words_of(client.get(book_page(one, "history")))


def test_a_promotion_and_a_person_show_their_coupons(client):
    promotion, user = ActivePromotionFactory(), UserFactory()
    one = book(name="Summer", promotion=promotion)
    code = held(user, one).code
    of_promotion = client.get(f"/admin/promotions/promotion/{promotion.pk}/change/?tab=codes")
    assert "Summer" in words_of(of_promotion)
    of_user = client.get(f"/admin/accounts/user/{user.pk}/change/?tab=coupons")
    assert "Assigned" in words_of(of_user)
    assert code not in of_user.content.decode()
    seen = logged_in("admin")[0].get(f"/admin/accounts/user/{user.pk}/change/?tab=coupons")
    assert code in seen.content.decode()


@pytest.mark.parametrize("role", ["viewer", "ops"])
def test_others_read_and_change_nothing(role):
    client, _ = logged_in(role)
    one = book(name="Summer", expires_at=db_now() + timedelta(days=1))
    made(one, 2)
    for tab in ("", "batches", "coupons", "distributions", "history"):
        page = client.get(book_page(one, tab))
        assert page.status_code == 200
        assert [words for words, _url in page.context["moves"]] == ["Export codes"]
    assert client.post(f"{BOOKS}add/", FORM).status_code == 403
    assert client.post(book_page(one), FORM | {"name": "Forged"}).status_code == 403
    for move in ("generate", "upload"):
        address = f"{BOOKS}{one.pk}/{move}/"
        assert client.get(address).status_code == 403
        assert client.post(f"{address}?asked=1&count=1", {"plan": "x"}).status_code == 403
    one.refresh_from_db()
    assert (one.name, one.coupons.count(), CouponBook.objects.count()) == ("Summer", 2, 1)


def test_no_address_is_a_500(client):
    for path in ("4040/change/", f"{2**70}/change/", "x/change/", "4040/generate/", "4040/upload/",
                 "4040/codes/"):  # fmt: skip
        assert client.get(f"{BOOKS}{path}").status_code in (302, 404), path
