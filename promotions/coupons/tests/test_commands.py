"""The commands: what they say, what they leave, with which exit code."""

import csv
import io
import json

import pytest
from django.core.management import call_command

from accounts.models import AuditEntry
from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.tests.commands import bad_rows, ndjson, run
from promotions.coupons.models import CodeBatch, Coupon, Distribution
from promotions.coupons.services import batches, holding
from promotions.coupons.states import State
from promotions.coupons.tests.factories import BookFactory, held, made, named

pytestmark = pytest.mark.django_db


def test_codes_are_generated(monkeypatch):
    monkeypatch.setattr(batches, "CHUNK", 4_000)
    book = BookFactory()
    done = run("codes_generate", book.pk, 10_001, "--prefix", "S-", "--length", "10")
    assert done.code == 0
    assert (done.data["status"], done.data["done"]) == ("done", 10_001)
    assert Coupon.objects.filter(code__startswith="S-").count() == 10_001


def test_a_dry_run_shows_samples_and_keeps_nothing():
    book = BookFactory(code_pattern="SUMMER-{}")
    done = run("codes_generate", book.pk, 10, "--dry-run")
    assert len(done.data["samples"]) == 5
    assert all(code.startswith("SUMMER-") for code in done.data["samples"])
    assert not CodeBatch.objects.exists()


def test_what_is_refused_says_so():
    done = run("codes_generate", BookFactory().pk, 10, "--length", "4", "--charset", "AB")
    assert (done.code, done.words) == (4, "At most 0 codes can be made with this pattern.")
    assert run("codes_generate", 987_654, 10).code == 4


def test_codes_are_imported_once(tmp_path):
    book = BookFactory()
    named(BookFactory(), "GOLD-2")
    file = ndjson(
        tmp_path / "codes.ndjson",
        [{"code": "GOLD-1"}, {"code": "gold 2"}, {"code": "no/way"}, {"name": "x"}],
    )
    report = tmp_path / "bad.ndjson"
    tried = run("codes_import", book.pk, file, "--dry-run")
    assert tried.data == {"rows": 4, "created": 1, "duplicates": 1, "failed": 2}
    assert not Coupon.objects.filter(book=book).exists()
    done = run("codes_import", book.pk, file, "--report", report)
    assert (done.code, done.data["created"]) == (3, 1)
    assert bad_rows(report) == [(4, "required"), (3, "invalid")]
    again = run("codes_import", book.pk, file)
    assert again.data == {"rows": 4, "created": 0, "duplicates": 2, "failed": 2}
    table = tmp_path / "codes.csv"
    table.write_text("code\nGOLD-1\nGOLD-3\n")
    refused = run("codes_import", book.pk, table, "--on-duplicate", "error")
    assert (refused.code, refused.words) == (4, "1 code already there.")
    assert run("codes_import", book.pk, tmp_path / "none.csv").code == 2
    assert Coupon.objects.filter(book=book).count() == 1


def test_codes_are_exported_in_clear(tmp_path):
    book = BookFactory()
    named(book, "GOLD-1", "GOLD-2")
    coupon = held(book=book)
    out = io.StringIO()
    call_command("codes_export", book.pk, stdout=out, stderr=io.StringIO())
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["code"] for row in rows] == ["GOLD-1", "GOLD-2", coupon.code]
    assert rows[2]["assigned_to"] == str(coupon.assigned_to_id)
    out = io.StringIO()
    call_command("codes_export", book.pk, "--json", stdout=out, stderr=io.StringIO())
    assert [json.loads(line)["state"] for line in out.getvalue().splitlines()] == [
        "UNASSIGNED",
        "UNASSIGNED",
        "ASSIGNED",
    ]
    file = tmp_path / "codes.csv"
    call_command(
        "codes_export", book.pk, "--out", str(file), "--state", "ASSIGNED", stderr=io.StringIO()
    )
    assert coupon.code in file.read_text()
    assert "GOLD-1" not in file.read_text()
    assert AuditEntry.objects.filter(action="book.export").count() == 3


def test_an_export_reads_page_by_page(monkeypatch):
    from promotions.coupons.services import exporting

    monkeypatch.setattr(exporting, "PAGE", 7)
    book = BookFactory()
    made(book, 21)
    assert len({row["code"] for row in exporting.rows(book)}) == 21


def test_a_pool_is_given_codes_when_somebody_says_yes():
    pool, book = PoolFactory(), BookFactory()
    add_users(pool.pk, user_ids=[UserFactory().pk for _ in range(3)])
    made(book, 10)
    planned = run("pool_distribute", pool.pk, book.pk, "--per-user", 2, "--dry-run")
    assert (planned.data["count"], planned.data["distribution_id"]) == (6, None)
    refused = run("pool_distribute", pool.pk, book.pk, "--per-user", 2)
    assert refused.code == 4
    assert "6 coupons would be given to 3 users" in refused.words
    assert not Distribution.objects.exists()
    seed, plan = planned.data["seed"], planned.data["plan"]
    done = run(
        "pool_distribute", pool.pk, book.pk, "--per-user", 2, "--yes",
        "--seed", seed, "--expect-plan", plan, "--reason", "Beta",
    )  # fmt: skip
    assert (done.code, done.data["plan"]) == (0, plan)
    assert Distribution.objects.get().assigned == 6
    assert {len(row["codes"]) for row in done.data["assignments"]} == {2}
    again = run("pool_distribute", pool.pk, book.pk, "--per-user", 1, "--expect-plan", "x", "--yes")
    assert (again.code, again.words) == (4, "The plan changed, review it again.")


def test_lapsed_locks_are_released(clock):
    from datetime import timedelta

    coupon = held()
    holding.lock(coupon.code, user_id=coupon.assigned_to_id, seconds=1)
    clock(timedelta(seconds=2))
    assert run("release_locks", "--dry-run").data == {"released": False, "locks": 1}
    assert run("release_locks").data == {"released": True, "locks": 1, "expired": 0}
    coupon.refresh_from_db()
    assert coupon.state == State.ASSIGNED
