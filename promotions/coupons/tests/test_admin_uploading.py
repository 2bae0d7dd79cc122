"""Upload in the admin: a verdict on each row, then those that can be taken."""

import csv
import io

import pytest

from promotions.coupons.models import Coupon
from promotions.coupons.tests.admin_pages import BOOKS, book, words_of
from promotions.coupons.tests.factories import named
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def upload(one):
    return f"{BOOKS}{one.pk}/upload/"


def carried(page, **given):
    return dict(page.context["hidden"]) | given


def test_only_rows_that_can_be_taken_are(client):
    """The verdict on a code that is too long shows its beginning, which would be a code."""
    page = client.post(upload(book()), {"pasted": "GOLD-1\n" + "A" * 70})
    assert page.context["judged"].counts == {"New": 1, "Can be no code": 1}
    client.post(page.wsgi_request.path, carried(page))
    assert Coupon.objects.get().code == "GOLD-1"


def test_what_else_is_asked_is_taken_as_the_form_read_it(client):
    one = book(allow_multi_redemption=True)
    page = client.post(upload(one), {"pasted": "GOLD-1", "max_redemptions": "3.0"})
    client.post(upload(one), carried(page))
    assert Coupon.objects.get().max_redemptions == 3


def test_each_row_has_its_verdict_before_anything_is_written(client):
    one = book()
    named(book(), "GOLD-1")
    pasted = "gold1\nSILVER-1\n\nsilver 1\nno/code\n"
    page = client.post(upload(one), {"pasted": pasted})
    assert page.context["judged"].counts == {"New": 1, "Exists already": 2, "Can be no code": 1}
    assert "Nothing is written yet" in words_of(page)
    assert one.coupons.count() == 0

    rejected = client.post(upload(one), carried(page, rejected="1"))
    rows = list(csv.DictReader(io.StringIO(rejected.content.decode())))
    assert [(row["row"], row["given"], row["verdict"]) for row in rows] == [
        ("1", "gold1", "Exists already"),
        ("3", "silver 1", "Exists already"),
        ("4", "no/code", "Can be no code"),
    ]
    assert one.coupons.count() == 0

    done = client.post(upload(one), carried(page))
    words = "1 code brought into the book. 3 rows left out: can be no code (1), exists already (2)."
    assert said(done) == [words]
    assert list(one.coupons.values_list("code", flat=True)) == ["SILVER-1"]


def test_a_file_is_taken_too(client):
    one = book()
    file = io.BytesIO("\ufeffid;code\n1;GOLD-1\n2;GOLD-2\n".encode())
    file.name = "codes.csv"
    page = client.post(upload(one), {"file": file})
    assert page.context["judged"].count == 2
    client.post(upload(one), carried(page))
    assert one.coupons.count() == 2


def test_a_verdict_that_has_changed_is_shown_again(client):
    one = book()
    page = client.post(upload(one), {"pasted": "GOLD-1\nGOLD-2"})
    named(book(), "GOLD-2")
    again = client.post(upload(one), carried(page))
    assert "The plan changed, review it again." in words_of(again)
    assert again.context["judged"].count == 1
    assert one.coupons.count() == 0
    client.post(upload(one), carried(again))
    assert one.coupons.count() == 1


def test_nonsense_is_no_upload(client, ended):
    one = book()
    for given in ({}, {"pasted": "  \n"}, {"file": io.BytesIO(b"\xff\xfe\x00")},
                  {"file": io.BytesIO(b"a,b\n1,2\n")}, {"pasted": "a\x00b"}):  # fmt: skip
        page = client.post(upload(one), given)
        assert page.status_code == 200, given
        assert page.context["form"].errors, given
    for rows in (
        "",
        "x",
        "[]",
        "[1]",
        '{"a": 1}',
        '["a\\u0000b"]',
        "\ud800".encode("utf-8", "replace"),
    ):
        assert client.post(upload(one), {"rows": rows}).status_code == 400, rows
    none = client.post(upload(one), {"pasted": "no/code"})
    assert "None of these rows can be taken." in words_of(none)
    told = said(client.post(upload(one), carried(none)))[-1]
    assert told == "0 codes brought into the book. 1 row left out: can be no code (1)."
    assert one.coupons.count() == 0
    over = client.post(upload(ended(book())), {"pasted": "GOLD-1"})
    assert "The book has ended." in words_of(over)


def test_what_looks_like_a_formula_runs_nowhere(client):
    page = client.post(upload(book()), {"pasted": "=1+1"})
    rejected = client.post(page.wsgi_request.path, carried(page, rejected="1"))
    assert "'=1+1" in rejected.content.decode()
