"""Codes in the admin as CSV and on paper: in full, masked, kept in the trail."""

import csv
import io
import re

import pytest

from accounts.models import AuditEntry
from promotions.coupons.tests.admin_pages import BATCHES, BOOKS, book
from promotions.coupons.tests.factories import held, made
from promotions.tests.admin_pages import logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return logged_in("marketer")[0]


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
