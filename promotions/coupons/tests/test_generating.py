"""Codes generated: exactly as many as wanted, whatever happens on the way."""

import pytest

from accounts.models import AuditEntry
from promopulse.lib.errors import Invalid
from promotions.coupons.errors import BookNotFound, CapacityExceeded, CouponExpired
from promotions.coupons.models import BookTally, CodeBatch, Coupon
from promotions.coupons.services import batches
from promotions.coupons.tests.factories import BookFactory, made, named

pytestmark = pytest.mark.django_db


def test_small_batches_are_made_at_once():
    book = BookFactory(code_pattern="SUMMER-{}-26")
    batch = batches.generate(book.pk, count=250, length=6, prefix="X")
    assert (batch.status, batch.done, batch.total) == ("done", 250, 250)
    assert batch.finished_at
    codes = Coupon.objects.filter(book=book, batch=batch).values_list("code", flat=True)
    assert len(set(codes)) == 250
    assert all(code.startswith("XSUMMER-") and code.endswith("-26") for code in codes)
    assert {len(code) for code in codes} == {1 + 7 + 6 + 3}
    entry = AuditEntry.objects.get(action="book.generate")
    assert entry.after == {"batch_id": batch.pk, "count": 250, "pattern": "XSUMMER-{}-26"}


def test_many_wait_for_a_job_that_fills_them_in_chunks(monkeypatch):
    monkeypatch.setattr(batches, "CHUNK", 4_000)
    book = BookFactory()
    batch = batches.generate(book.pk, count=10_001)
    assert (batch.status, batch.done) == ("running", 0)
    assert batches.fill_waiting(seconds=60)
    batch.refresh_from_db()
    assert (batch.status, batch.done) == ("done", 10_001)
    assert Coupon.objects.filter(batch=batch).count() == 10_001
    assert sum(BookTally.objects.values_list("unassigned", flat=True)) == 10_001


def test_codes_that_exist_already_are_made_anew(monkeypatch):
    other = BookFactory()
    taken = [f"AAAA{letter}" for letter in "BCDE"]
    named(other, *taken)
    drawn = iter([[*taken, "FRESH"], ["FRESH", "NEW01", "NEW02", "AAAAB"], ["NEW03", "NEW04"]])
    monkeypatch.setattr(batches.codes.Shape, "make", lambda self, count: next(drawn)[:count])
    batch = batches.generate(BookFactory().pk, count=5)
    assert (batch.status, batch.done) == ("done", 5)
    found = Coupon.objects.filter(batch=batch).values_list("code", flat=True)
    assert set(found) == {"FRESH", "NEW01", "NEW02", "NEW03", "NEW04"}


def test_more_than_one_percent_is_refused_with_the_most():
    book = BookFactory()
    most = 2**10 // 100
    with pytest.raises(CapacityExceeded) as refused:
        batches.generate(book.pk, count=most + 1, length=10, charset="AB")
    assert refused.value.params == {"most": most, "possible": 1_024, "asked": most + 1}
    assert not CodeBatch.objects.exists()
    batches.generate(book.pk, count=most - 2, length=10, charset="AB", prefix="C-")
    # Those made of the same shape count, in any book; those of another do not.
    with pytest.raises(CapacityExceeded) as refused:
        batches.generate(BookFactory().pk, count=3, length=10, charset="AB", prefix="c")
    assert refused.value.params["most"] == 2
    batches.generate(book.pk, count=most, length=10, charset="AB", prefix="D")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 1_000_001}, "count"),
        ({"count": 1, "max_redemptions": 0}, "max_redemptions"),
        ({"count": 1, "max_redemptions": 2}, "max_redemptions"),
    ],
)
def test_what_cannot_be_is_named(options, field):
    with pytest.raises(Invalid) as refused:
        batches.generate(BookFactory().pk, **options)
    assert refused.value.errors[0]["pointer"] == f"/{field}"
    assert not Coupon.objects.exists()


def test_a_book_that_is_missing_or_over_takes_no_codes(ended):
    with pytest.raises(BookNotFound):
        batches.generate(987_654, count=1)
    with pytest.raises(CouponExpired):
        batches.generate(ended(BookFactory()).pk, count=1)


def test_a_cancelled_batch_keeps_what_it_has(monkeypatch):
    monkeypatch.setattr(batches, "CHUNK", 3_000)
    book = BookFactory()
    batch = batches.generate(book.pk, count=10_001)
    assert not batches.fill(batch.pk, seconds=0)
    batch = batches.cancel(book.pk, batch.pk, reason="Wrong book")
    assert (batch.status, batch.done) == ("cancelled", 3_000)
    assert batches.fill(batch.pk)
    assert batches.cancel(book.pk, batch.pk).done == Coupon.objects.count() == 3_000
    (entry,) = AuditEntry.objects.filter(action="book.cancel_batch")
    assert entry.reason == "Wrong book"


def test_codes_of_many_uses_need_a_book_that_allows_them():
    book = BookFactory(allow_multi_redemption=True)
    (coupon,) = made(book, 1, max_redemptions=3)
    assert (coupon.max_redemptions, coupon.uses_left) == (3, 3)


def test_after_a_code_that_exists_the_rest_is_not_copied_in_vain(monkeypatch):
    named(BookFactory(), "AAA-1")
    batch = CodeBatch.objects.create(book=BookFactory(), kind="upload", total=3, max_redemptions=1)
    really, copied = batches._copy, []
    monkeypatch.setattr(batches, "PART", 1)
    monkeypatch.setattr(batches, "_copy", lambda *of: (copied.append(of[1]), really(*of)))
    assert batches.insert_codes(batch, ["CAA-1", "AAA-1", "BAA-1"]) == 2
    assert copied == [["AAA-1"]]
    assert sorted(batch.coupons.values_list("code", flat=True)) == ["BAA-1", "CAA-1"]
