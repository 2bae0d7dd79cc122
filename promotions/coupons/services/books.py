"""Books made and changed.

Lock order: the book, then (in its trigger) the lock of its rules, for which everybody who is being
judged by them is waited for.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit
from promopulse.lib import time
from promopulse.lib.errors import Invalid, VersionConflict
from promopulse.lib.problems import constraint_of
from promotions.coupons import rules
from promotions.coupons.errors import BookNotFound
from promotions.coupons.models import CouponBook
from promotions.coupons.triggers import books as guards
from promotions.models import Promotion
from promotions.rules import differing

# What the book's trigger refuses, as the field that cannot be so.
_REFUSED = {
    guards.ENDED: ("expiration_date", "The book has ended; its end cannot move.", "ended"),
    guards.LIMIT_PASSED: (
        "max_assignments_per_user",
        "Somebody has more than that already.",
        "limit_passed",
    ),
    guards.MULTI_IN_USE: (
        "allow_multi_redemption",
        "The book has codes with more than one use.",
        "in_use",
    ),
    guards.PROMOTION_IN_USE: (
        "promotion_id",
        "Codes were redeemed under the present promotion.",
        "in_use",
    ),
}


def create_book(**fields: Any) -> CouponBook:
    """Make a book. `max_redemptions_per_user` left out is 1 where codes have many uses.

    Raises Invalid.
    """
    values = rules.clean_book(fields)
    if values.get("allow_multi_redemption"):
        values.setdefault("max_redemptions_per_user", 1)
    with transaction.atomic():
        _check(values)
        book = CouponBook.objects.create(**values)
        audit.record("book.create", book, after=values)
        return book


def update_book(
    book_id: int,
    *,
    changes: Mapping[str, Any],
    expected_version: int | None = None,
    reason: str = "",
) -> CouponBook:
    """Change some fields; one sent with its stored value is no edit.

    Limits go no lower than what somebody has already; an end that has passed cannot move. Raises
    BookNotFound, VersionConflict or Invalid.
    """
    wanted = rules.clean_book(changes)
    reason = rules.reason(reason)
    with transaction.atomic():
        book = CouponBook.objects.select_for_update(no_key=True).filter(pk=book_id).first()
        if book is None:
            raise BookNotFound()
        if expected_version not in (None, book.version):
            raise VersionConflict(expected=expected_version, present=book.version)
        stored = {name: getattr(book, name) for name in rules.BOOK_FIELDS}
        changed = differing(stored, wanted)
        if not changed:
            return book
        _check(changed)
        for name, value in changed.items():
            setattr(book, name, value)
        book.version += 1
        with _refusals_named(changed):
            book.save(update_fields=[*_columns(changed), "version"])
        before = {name: stored[name] for name in changed}
        audit.record("book.update", book, before=before, after=changed, reason=reason)
        return book


def _columns(changed: Mapping[str, Any]) -> list[str]:
    return ["promotion" if name == "promotion_id" else name for name in changed]


def _check(values: Mapping[str, Any]) -> None:
    promotion_id = values.get("promotion_id")
    if promotion_id is not None and not Promotion.objects.filter(pk=promotion_id).exists():
        raise Invalid("promotion_id", "There is no such promotion.", "unknown")
    expires_at = values.get("expires_at")
    if expires_at is not None and expires_at <= time.db_now():
        raise Invalid("expiration_date", "The end must be in the future.", "in_the_past")


@contextmanager
def _refusals_named(changed: Mapping[str, Any]) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        refused = _REFUSED.get(constraint_of(error))
        if refused is None:
            raise
        field, words, code = refused
        if code == "limit_passed" and field not in changed:
            field = "max_redemptions_per_user"
        raise Invalid(field, words, code) from None
