"""Generate in the admin: a look first, a plan, exactly so many codes."""

import json
import re

import pytest
from django.db import connection

from accounts.models import AuditEntry
from promotions.coupons.codes import DEFAULT_CHARSET
from promotions.coupons.models import CodeBatch, Coupon
from promotions.coupons.tests.admin_pages import (
    BATCHES,
    SHAPE,
    ask,
    book,
    confirm,
    generate_page,
    words_of,
)
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def test_a_look_first_five_codes_and_the_capacity(client):
    one = book(code_pattern="SUMMER-{}")
    page = client.get(generate_page(one))
    sample = page.context["look"]["sample"]
    assert len(set(sample)) == 5
    assert all(re.fullmatch(rf"SUMMER-[{DEFAULT_CHARSET}]{{8}}", code) for code in sample)
    words = words_of(page)
    for said_so in ("852,891,037,441 codes", "8,528,910,374 can still be made",
                    "one time in 8,528,910,374", "less than a second"):  # fmt: skip
        assert said_so in words, said_so
    while_typing = ask(client, generate_page(one), look=1, count=3, **SHAPE)
    assert "one time in 284,297,012,480" in words_of(while_typing)
    assert "plan" not in while_typing.context
    assert not Coupon.objects.exists()


def test_the_plan_is_confirmed_and_exactly_so_many_are_made(client):
    one = book()
    page = ask(client, generate_page(one), count=40, **SHAPE | {"pattern": "JUNE-{}"})
    assert "Generate 40" in words_of(page)
    answer = confirm(client, page)
    batch = CodeBatch.objects.get()
    assert answer["Location"] == f"{BATCHES}{batch.pk}/change/"
    assert said(answer) == ["40 codes made."]
    codes = list(Coupon.objects.values_list("code", flat=True))
    assert len(set(codes)) == 40
    assert all(code.startswith("JUNE-") for code in codes)
    assert AuditEntry.objects.get(action="book.generate").via == "admin"


def test_a_plan_that_is_sent_twice_is_done_once(client):
    page = ask(client, generate_page(book()), count=40, **SHAPE)
    confirm(client, page)
    again = confirm(client, page)
    assert said(again)[-1].startswith("The plan changed")
    assert Coupon.objects.count() == 40


def test_what_is_impossible_is_refused_with_the_most_possible(client):
    one = book()
    small = SHAPE | {"length": 4, "charset": "ABCDEFGHJK"}
    page = ask(client, generate_page(one), count=101, **small)
    words = words_of(page)
    assert "At most 100 codes can be made with this pattern" in words
    assert "of 10,000 possible ones" in words
    assert "plan" not in page.context
    assert confirm(client, ask(client, generate_page(one), count=100, **small)).status_code == 302
    page = ask(client, generate_page(one), count=1, **small)
    assert "At most 0 codes" in words_of(page)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"count": "0"}, "count"),
        ({"count": "1000001"}, "count"),
        ({"count": "x"}, "count"),
        ({"count": "1", "length": "3"}, "length"),
        ({"count": "1", "length": "50", "prefix": "LONG-PREFIX-OF-THIS-CODE"}, "length"),
        ({"count": "1", "pattern": "NONE"}, "pattern"),
        ({"count": "1", "pattern": "{}{}"}, "pattern"),
        ({"count": "1", "pattern": "-{}"}, "pattern"),
        ({"count": "1", "prefix": "{}"}, "prefix"),
        ({"count": "1", "suffix": "ü"}, "suffix"),
        ({"count": "1", "charset": "A"}, "charset"),
        ({"count": "1", "charset": "A/B"}, "charset"),
        ({"count": "1", "prefix": "a\x00b"}, "prefix"),
    ],
)
def test_what_cannot_be_names_its_field(client, given, field):
    page = ask(client, generate_page(book()), **SHAPE | given)
    if page.status_code == 400:  # a null character goes no further than the door
        assert "\x00" in given[field]
        return
    assert page.status_code == 200
    assert field in page.context["question"].errors
    assert not CodeBatch.objects.exists()


def test_uses_are_asked_only_where_a_code_may_have_many(client):
    assert "max_redemptions" not in client.get(generate_page(book())).context["question"].fields
    one = book(allow_multi_redemption=True)
    confirm(client, ask(client, generate_page(one), count=2, max_redemptions=7, **SHAPE))
    assert set(Coupon.objects.values_list("max_redemptions", flat=True)) == {7}


def test_a_book_that_changed_is_to_be_reviewed(client):
    from promotions.coupons.services import books

    one = book()
    page = ask(client, generate_page(one), count=5, **SHAPE)
    books.update_book(one.pk, changes={"requires_assignment": False})
    assert said(confirm(client, page)) == ["The plan changed, review it again."]
    assert not Coupon.objects.exists()
    for forged in ("", "x", "0" * 16):
        client.post(page.wsgi_request.get_full_path(), {"plan": forged})
    assert not Coupon.objects.exists()


def test_a_book_that_has_ended_takes_none(client, ended):
    one = ended(book())
    page = ask(client, generate_page(one), count=5, **SHAPE)
    assert "The book has ended." in words_of(page)


def test_how_long_it_takes_is_told_by_the_last_large_batch(client):
    one = book()
    page = ask(client, generate_page(one), count=300_000, **SHAPE)
    assert "about 10 s, by a job" in words_of(page)
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL session_replication_role = replica; INSERT INTO coupons_codebatch (book_id,"
            " kind, status, total, done, max_redemptions, pattern, length, charset, shape,"
            " created_at, finished_at) VALUES (%s, 'generate', 'done', 100000, 100000, 1, '{}', 8,"
            " 'AB', 'x', now() - interval '20 s', now()); SET LOCAL session_replication_role ="
            " origin",
            [one.pk],
        )
    page = ask(client, generate_page(one), count=300_000, **SHAPE)
    assert "about 60 s" in words_of(page)
    assert json.dumps(page.context["look"]["rows"])
