"""Codes in the admin: generate after a look, upload after verdicts, export, print, follow."""

import csv
import io
import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.jobs import running
from accounts.models import AuditEntry, Job, User
from promotions.coupons.codes import DEFAULT_CHARSET
from promotions.coupons.models import CodeBatch, Coupon
from promotions.coupons.services import batches
from promotions.coupons.tests.admin_pages import BATCHES, BOOKS, ask, book, confirm, words_of
from promotions.coupons.tests.factories import held, made, named
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db

SHAPE = {"length": 8, "pattern": "{}", "charset": DEFAULT_CHARSET}


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def generate(one):
    return f"{BOOKS}{one.pk}/generate/"


# Generate


def test_a_look_first_five_codes_and_the_capacity(client):
    one = book(code_pattern="SUMMER-{}")
    page = client.get(generate(one))
    sample = page.context["look"]["sample"]
    assert len(set(sample)) == 5
    assert all(re.fullmatch(rf"SUMMER-[{DEFAULT_CHARSET}]{{8}}", code) for code in sample)
    words = words_of(page)
    for said_so in ("852,891,037,441 codes", "8,528,910,374 can still be made",
                    "one time in 8,528,910,374", "less than a second"):  # fmt: skip
        assert said_so in words, said_so
    while_typing = ask(client, generate(one), look=1, count=3, **SHAPE)
    assert "one time in 284,297,012,480" in words_of(while_typing)
    assert "plan" not in while_typing.context
    assert not Coupon.objects.exists()


def test_the_plan_is_confirmed_and_exactly_so_many_are_made(client):
    one = book()
    page = ask(client, generate(one), count=40, **SHAPE | {"pattern": "JUNE-{}"})
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
    page = ask(client, generate(book()), count=40, **SHAPE)
    confirm(client, page)
    again = confirm(client, page)
    assert said(again)[-1].startswith("The plan changed")
    assert Coupon.objects.count() == 40


def test_what_is_impossible_is_refused_with_the_most_possible(client):
    one = book()
    small = SHAPE | {"length": 4, "charset": "ABCDEFGHJK"}
    page = ask(client, generate(one), count=101, **small)
    words = words_of(page)
    assert "At most 100 codes can be made with this pattern" in words
    assert "of 10,000 possible ones" in words
    assert "plan" not in page.context
    assert confirm(client, ask(client, generate(one), count=100, **small)).status_code == 302
    page = ask(client, generate(one), count=1, **small)
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
    page = ask(client, generate(book()), **SHAPE | given)
    if page.status_code == 400:  # a null character goes no further than the door
        assert "\x00" in given[field]
        return
    assert page.status_code == 200
    assert field in page.context["question"].errors
    assert not CodeBatch.objects.exists()


def test_uses_are_asked_only_where_a_code_may_have_many(client):
    assert "max_redemptions" not in client.get(generate(book())).context["question"].fields
    one = book(allow_multi_redemption=True)
    confirm(client, ask(client, generate(one), count=2, max_redemptions=7, **SHAPE))
    assert set(Coupon.objects.values_list("max_redemptions", flat=True)) == {7}


def test_a_book_that_changed_is_to_be_reviewed(client):
    from promotions.coupons.services import books

    one = book()
    page = ask(client, generate(one), count=5, **SHAPE)
    books.update_book(one.pk, changes={"requires_assignment": False})
    assert said(confirm(client, page)) == ["The plan changed, review it again."]
    assert not Coupon.objects.exists()
    for forged in ("", "x", "0" * 16):
        client.post(page.wsgi_request.get_full_path(), {"plan": forged})
    assert not Coupon.objects.exists()


def test_a_book_that_has_ended_takes_none(client, ended):
    one = ended(book())
    page = ask(client, generate(one), count=5, **SHAPE)
    assert "The book has ended." in words_of(page)


# By a job


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("promotions.coupons.rules.MAX_AT_ONCE", 10)
    monkeypatch.setattr("promotions.coupons.services.batches.CHUNK", 20)


@pytest.fixture
def started(client, small_chunks):
    """A batch of fifty that a job makes, twenty at a time; nobody has begun."""
    answer = confirm(client, ask(client, generate(book(name="Big")), count=50, **SHAPE))
    assert said(answer) == ["A job makes the codes."]
    return CodeBatch.objects.get(), Job.objects.get()


def test_many_are_made_by_a_job_that_tells_how_far_it_is(client, started):
    batch, job = started
    page = client.get(f"{BATCHES}{batch.pk}/change/").content.decode()
    assert 'role="progressbar"' in page
    assert 'aria-valuenow="0"' in page
    assert 'hx-trigger="load delay:1s"' in page
    batches.fill(batch.pk, seconds=0)
    page = client.get(f"{BATCHES}{batch.pk}/change/").content.decode()
    assert 'aria-valuenow="40"' in page
    assert (job.title, job.total, job.actor.role) == ("50 codes for Big", 50, "marketer")

    running.run(job.pk)
    job.refresh_from_db()
    batch.refresh_from_db()
    assert (job.state, job.done, job.result) == ("done", 50, {"codes": 50})
    assert (batch.status, len(set(Coupon.objects.values_list("code", flat=True)))) == ("done", 50)
    words = client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    assert f"{BATCHES}{batch.pk}/change/" in words
    assert "Codes as CSV" in words
    assert 'hx-trigger="load' not in client.get(f"{BATCHES}{batch.pk}/change/").content.decode()


def test_a_batch_that_others_have_filled_is_a_job_that_is_done(started):
    batch, job = started
    batches.fill(batch.pk)
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, Coupon.objects.count()) == ("done", 50, 50)


def test_a_job_that_is_stopped_stops_its_batch_and_makes_the_rest_when_begun_again(client, started):
    batch, job = started
    batches.fill(batch.pk, seconds=0)
    move = f"/admin/accounts/job/{job.pk}/"
    confirm(client, client.get(f"{move}cancel/"), reason="Too many")
    batch.refresh_from_db()
    assert (batch.status, batch.done) == ("cancelled", 20)
    assert batches.fill(batch.pk)
    assert Coupon.objects.count() == 20

    confirm(client, client.get(f"{move}again/"))
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == ("done", 50, 50)
    assert Coupon.objects.count() == 50
    assert list(CodeBatch.objects.order_by("pk").values_list("status", "total", "done")) == [
        ("cancelled", 50, 20),
        ("done", 30, 30),
    ]


def test_a_batch_that_is_stopped_is_a_job_that_is_cancelled(client, started):
    batch, job = started
    batches.fill(batch.pk, seconds=0)
    answer = confirm(client, client.get(f"{BATCHES}{batch.pk}/cancel/"), reason="Enough")
    assert said(answer)[-1] == "Stopped at 20 of 50 codes."
    running.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, Coupon.objects.count()) == ("cancelled", 20, 20)
    assert client.get(f"{BATCHES}{batch.pk}/cancel/").context["plan"].count == 0


def test_a_stopped_job_of_a_full_shape_is_refused_in_words(client, small_chunks):
    one = book()
    small = SHAPE | {"length": 4, "charset": "ABCDEFGHJK"}
    confirm(client, ask(client, generate(one), count=60, **small))
    batch, job = CodeBatch.objects.get(), Job.objects.get()
    confirm(client, client.get(f"{BATCHES}{batch.pk}/cancel/"))
    running.run(job.pk)
    batches.generate(one.pk, count=90, here=True, length=4, charset="ABCDEFGHJK")
    move = f"/admin/accounts/job/{job.pk}/again/"
    answer = confirm(client, client.get(move))
    assert said(answer)[-1] == "At most 10 codes can be made with this pattern."
    job.refresh_from_db()
    assert job.state == "cancelled"


@pytest.mark.parametrize("role", ["viewer", "ops"])
def test_others_stop_nothing(started, role):
    batch, job = started
    client, _ = logged_in(role)
    assert client.get(f"{BATCHES}{batch.pk}/change/").status_code == 200
    for address in (f"{BATCHES}{batch.pk}/cancel/", f"/admin/accounts/job/{job.pk}/cancel/"):
        assert client.post(address, {"plan": "x", "reason": "x"}).status_code == 403
    batch.refresh_from_db()
    assert batch.status == "running"


def test_who_lost_the_role_takes_up_nothing_of_what_they_began(started):
    _batch, job = started
    person = job.actor
    client = Client()
    client.force_login(person)
    confirm(client, client.get(f"/admin/accounts/job/{job.pk}/cancel/"))
    address = f"/admin/accounts/job/{job.pk}/again/"
    assert address in client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    plan = client.get(address).context["plan"].hash
    User.objects.filter(pk=person.pk).update(role="viewer")
    assert address not in client.get(f"/admin/accounts/job/{job.pk}/change/").content.decode()
    assert client.post(address, {"plan": plan}).status_code == 403
    job.refresh_from_db()
    assert (job.state, CodeBatch.objects.count()) == ("cancelled", 1)


# Upload


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


# Export and print


def exported(client, url, **given):
    answer = client.post(url, given)
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_codes_are_exported_in_full_to_those_who_may_see_them_and_that_is_kept():
    one = book()
    made(one, 3)
    batch = one.batches.get()
    held(book=one)
    address = f"{BOOKS}{one.pk}/codes/"
    admin, user = logged_in("admin")
    rows = exported(admin, address)
    assert {row["code"] for row in rows} == set(one.coupons.values_list("code", flat=True))
    assert len(exported(admin, f"{address}?batch={batch.pk}")) == 3
    assert len(exported(admin, address, state="ASSIGNED")) == 1
    entries = AuditEntry.objects.filter(action="book.reveal_codes").order_by("pk")
    assert [entry.after for entry in entries] == [
        {"how": "csv"},
        {"how": "csv", "batch": batch.pk},
        {"how": "csv", "state": "ASSIGNED"},
    ]
    assert {entry.actor_user for entry in entries} == {user}


@pytest.mark.parametrize("role", ["marketer", "ops", "viewer"])
def test_others_get_masks_and_no_sheet(role):
    client, _ = logged_in(role)
    one = book()
    made(one, 2)
    rows = exported(client, f"{BOOKS}{one.pk}/codes/")
    assert len(rows) == 2
    for code in one.coupons.values_list("code", flat=True):
        assert code not in str(rows)
    assert not AuditEntry.objects.filter(action="book.reveal_codes").exists()
    batch = one.batches.get()
    assert client.get(f"{BATCHES}{batch.pk}/sheet/").status_code == 403
    assert "Print with QR" not in client.get(f"{BATCHES}{batch.pk}/change/").content.decode()


def test_an_export_of_nonsense(client):
    one = book()
    made(one, 1)
    address = f"{BOOKS}{one.pk}/codes/"
    assert client.post(address, {"state": "LOST"}).context["form"].errors
    assert exported(client, f"{address}?batch=99999") == []
    assert len(exported(client, f"{address}?batch=x")) == 1


def test_codes_are_printed_page_by_page(monkeypatch):
    monkeypatch.setattr("promotions.coupons.admin.sheets.CARDS", 3)
    client, _ = logged_in("admin")
    one = book(name="Summer <June>")
    made(one, 5)
    batch = one.batches.get()
    first = client.get(f"{BATCHES}{batch.pk}/sheet/").content.decode()
    following = re.search(r'href="([^"]+after=\d+)"', first)[1]
    second = client.get(following).content.decode()
    codes = re.findall(r"<strong>([^<]+)</strong>", first + second)
    assert codes == list(one.coupons.order_by("pk").values_list("code", flat=True))
    assert (first.count("<article><svg"), second.count("<article><svg")) == (3, 2)
    assert "after=" not in second
    assert "Summer &lt;June&gt;" in first
    assert AuditEntry.objects.filter(action="book.reveal_codes").count() == 2
    assert client.get(f"{BATCHES}{batch.pk}/sheet/?after=x").status_code == 200
    assert client.get(f"{BATCHES}4040/sheet/").status_code == 404


def test_batches_are_listed_with_few_queries(client):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(BATCHES).status_code == 200
        return len(captured)

    made(book(), 1)
    few = queries()
    for _ in range(4):
        made(book(), 1)
    assert queries() == few <= 12


def test_how_long_it_takes_is_told_by_the_last_large_batch(client):
    one = book()
    page = ask(client, generate(one), count=300_000, **SHAPE)
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
    page = ask(client, generate(one), count=300_000, **SHAPE)
    assert "about 60 s" in words_of(page)
    assert json.dumps(page.context["look"]["rows"])
