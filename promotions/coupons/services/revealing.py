"""Codes shown in full, many at once: who saw which is kept in the trail of their book."""

from accounts import audit
from promotions.coupons.models import CouponBook


def revealed(book: CouponBook, *, how: str, **which: str | int | None) -> None:
    """Write down that codes of a book are shown: `how` (csv, sheet), and which of them."""
    named = {name: value for name, value in which.items() if value not in (None, "")}
    audit.record("book.reveal_codes", book, after={"how": how, **named})
