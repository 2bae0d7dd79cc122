"""Codes brought by a client: a verdict for each row, all or none, or what can be taken."""

import pytest

from accounts.models import AuditEntry
from promopulse.lib.errors import DomainError, Invalid
from promotions.coupons import reading, rules
from promotions.coupons.errors import BookNotFound, CouponExpired, CouponNotAvailable
from promotions.coupons.models import CodeBatch, Coupon
from promotions.coupons.services import uploading
from promotions.coupons.tests.factories import BookFactory, named

pytestmark = pytest.mark.django_db
ROWS = [" Gold-1 ", "gold 1", "SILVER-1", "no/way", "", "BRONZE-1", "A" * 65]


def verdicts(done):
    return [one.verdict for one in done.verdicts]


def test_all_of_them_or_none():
    book = BookFactory()
    done = uploading.upload(book.pk, ["Gold-1", "SILVER-1"])
    assert verdicts(done) == ["created", "created"]
    assert (done.batch.status, done.batch.done, done.batch.kind) == ("done", 2, "upload")
    assert set(Coupon.objects.values_list("code", flat=True)) == {"Gold-1", "SILVER-1"}
    assert AuditEntry.objects.get(action="book.upload").after["created"] == 2
    with pytest.raises(CouponNotAvailable) as refused:
        uploading.upload(BookFactory().pk, ["BRONZE-1", "gold1", "COPPER", "copper"])
    assert [(error["pointer"], error["code"]) for error in refused.value.errors] == [
        ("/codes/1", "duplicate"),
        ("/codes/3", "duplicate"),
    ]
    assert (refused.value.status, refused.value.params) == (409, {"count": 2})
    with pytest.raises(DomainError) as refused:
        uploading.upload(book.pk, ["BRONZE-1", "no/way"])
    assert (refused.value.status, refused.value.errors[0]["pointer"]) == (422, "/codes/1")
    assert Coupon.objects.count() == 2


def test_what_can_be_taken():
    book = BookFactory()
    named(BookFactory(), "SILVER-1")
    done = uploading.upload(book.pk, ROWS, on_duplicate="skip")
    assert verdicts(done) == [
        "created", "duplicate", "duplicate", "invalid", "invalid", "created", "invalid",
    ]  # fmt: skip
    assert set(Coupon.objects.filter(book=book).values_list("code", flat=True)) == {
        "Gold-1",
        "BRONZE-1",
    }
    again = uploading.upload(book.pk, ROWS, on_duplicate="skip")
    assert again.batch is None
    assert again.counts["duplicate"] == 4


def test_each_verdict_says_why():
    book = BookFactory()
    uploading.upload(book.pk, ["OLD-1"])
    rows = ["NEW-1", "old 1", "new 1", "unlock"]
    done = uploading.upload(book.pk, rows, on_duplicate="skip", dry_run=True)
    _new, exists, twice, word = (one.detail for one in done.verdicts)
    assert exists == "The code exists already."
    assert twice == "A row before has the same code."
    assert word.endswith("is none of ASSIGN, HISTORY, LOCK, REDEEM, REDEMPTIONS, UNLOCK.")


def test_a_dry_run_says_the_same_and_does_nothing():
    named(BookFactory(), "SILVER-1")
    book = BookFactory()
    for how in ("skip", "error"):
        done = uploading.upload(book.pk, ROWS, on_duplicate=how, dry_run=True)
        assert done.counts == {"created": 2, "duplicate": 2, "invalid": 3}
    assert not CodeBatch.objects.filter(book=book).exists()


def test_uses_are_those_the_book_allows():
    book = BookFactory(allow_multi_redemption=True)
    uploading.upload(book.pk, ["SUMMER20"], max_redemptions=10_000)
    assert Coupon.objects.get().max_redemptions == 10_000
    with pytest.raises(Invalid):
        uploading.upload(BookFactory().pk, ["SUMMER21"], max_redemptions=2)


def test_there_must_be_a_book_and_some_codes(ended, monkeypatch):
    with pytest.raises(BookNotFound):
        uploading.upload(987_654, ["GOLD-1"])
    with pytest.raises(CouponExpired):
        uploading.upload(ended(BookFactory()).pk, ["GOLD-1"])
    monkeypatch.setattr(rules, "MAX_UPLOADED", 2)
    for codes in ([], ["AAA", "BBB", "CCC"]):
        with pytest.raises(Invalid):
            uploading.upload(BookFactory().pk, codes)


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"code\nGOLD-1\nGOLD-2\n", ["GOLD-1", "GOLD-2"]),
        (b"\xef\xbb\xbfname;Code\r\nAnn;GOLD-1\r\n", ["GOLD-1"]),
        (b"GOLD-1\n\nGOLD-2", ["GOLD-1", "GOLD-2"]),
        (b'"code"\n"GOLD 1"\n', ["GOLD 1"]),
        (b"name,code\nAnn\n", [""]),
        (b"", []),
    ],
)
def test_files_with_and_without_a_header(content, codes):
    assert reading.codes_of(content) == codes


@pytest.mark.parametrize("header", [b"", b"code\n"])
def test_a_file_is_read_no_further_than_it_may_go(header):
    """Ten megabytes of short lines would be 600 as a list."""
    read = reading.codes_of(header + b"ab\n" * (2 * rules.MAX_UPLOADED))
    assert rules.MAX_UPLOADED < len(read) <= rules.MAX_UPLOADED + 2


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n1,2\n", b"A\x00B", b"PK\x03\x04\xff"])
def test_files_that_are_none(content):
    with pytest.raises(Invalid) as refused:
        reading.codes_of(content)
    assert refused.value.errors[0]["pointer"] == "/file"
