"""Codes read out of a book, a page at a time: memory stays flat, and no transaction stays open."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from promopulse.lib.time import rfc3339
from promotions.coupons import selectors
from promotions.coupons.models import Coupon, CouponBook
from promotions.coupons.services.finding import clock

PAGE = 5_000
COLUMNS = (
    "code",
    "state",
    "assigned_to",
    "assigned_at",
    "uses",
    "max_redemptions",
    "redeemed_at",
)


def rows(book: CouponBook, **filters: Any) -> Iterator[dict[str, Any]]:
    """Every coupon of a book that the filters leave, by id, as it is when its page is read."""
    last = 0
    while True:
        at = clock()
        found = selectors.coupons_of(book, at=at, **filters).filter(pk__gt=last).order_by("pk")
        page = list(found[:PAGE])
        for coupon in page:
            coupon.book = book
            yield _row(coupon, at)
        if len(page) < PAGE:
            return
        last = page[-1].pk


def _row(coupon: Coupon, at: Any) -> dict[str, Any]:
    return {
        "code": coupon.code,
        "state": str(coupon.state_at(at)),
        "assigned_to": coupon.assigned_to_id,
        "assigned_at": coupon.assigned_at and rfc3339(coupon.assigned_at),
        "uses": coupon.uses,
        "max_redemptions": coupon.max_redemptions,
        "redeemed_at": coupon.redeemed_at and rfc3339(coupon.redeemed_at),
    }


def as_csv(exported: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The rows as CSV with a header, some hundred at a time."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, row in enumerate(exported, start=1):
        writer.writerow(row)
        if number % 500 == 0:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> str:
    written = text.getvalue()
    text.seek(0)
    text.truncate()
    return written
