"""Codes that a client brings: a verdict on each row, then all of them or what can be taken.

The rows of a batch are inserted in one transaction; the unique index decides who was first.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts import audit
from promopulse.lib.errors import DomainError, Invalid
from promopulse.lib.sql import fetch_all
from promopulse.lib.words import plural
from promotions.coupons import codes, rules
from promotions.coupons.errors import CouponNotAvailable
from promotions.coupons.models import CodeBatch
from promotions.coupons.services.batches import insert_codes, open_book

CREATED, DUPLICATE, INVALID = "created", "duplicate", "invalid"
ERROR, SKIP = "error", "skip"
# More errors than these tell nobody anything new.
ERRORS_SHOWN = 100
TRIES = 3

_KNOWN = """
SELECT code_key FROM coupons_coupon WHERE code_key = ANY(%(keys)s::text[])
"""
_EXISTS = "The code exists already."
_TWICE = "A row before has the same code."
_NO_CODE = (
    f"A code has {codes.MIN_LENGTH} to {codes.MAX_LENGTH} letters, digits, dots, underscores, "
    "dashes and spaces, begins with a letter or a digit, and is none of "
    f"{', '.join(sorted(codes.RESERVED))}."
)


@dataclass(frozen=True)
class Verdict:
    """What becomes of one row; `index` counts from 0."""

    index: int
    code: str
    verdict: str
    detail: str = ""


@dataclass(frozen=True)
class Upload:
    """The verdicts of all rows and, unless it was a dry run or nothing was new, the batch."""

    verdicts: list[Verdict]
    batch: CodeBatch | None = None

    @property
    def counts(self) -> Counter[str]:
        return Counter(one.verdict for one in self.verdicts)


class _Overtaken(Exception):
    """Somebody else brought one of the codes meanwhile."""


def upload(
    book_id: int,
    given: Sequence[str],
    *,
    on_duplicate: str = ERROR,
    max_redemptions: int = 1,
    dry_run: bool = False,
) -> Upload:
    """Bring codes into a book. A code that exists in any book is a duplicate.

    `on_duplicate` error takes all or none, skip takes what it can. Raises BookNotFound,
    CouponExpired, Invalid (naming rows that can be no code) or CouponNotAvailable (naming the
    duplicates).
    """
    if on_duplicate not in (ERROR, SKIP):
        raise Invalid("on_duplicate", "error or skip is expected.")
    if not 1 <= len(given) <= rules.MAX_UPLOADED:
        raise Invalid("codes", f"From 1 to {rules.MAX_UPLOADED} codes are expected.", "max_length")
    rules.whole("max_redemptions", max_redemptions, 1, rules.MAX_REDEMPTIONS)
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                book = open_book(book_id, max_redemptions)
                found = Upload(_judged(given))
                if dry_run:
                    return found
                if on_duplicate == ERROR:
                    _refuse_bad_rows(found.verdicts)
                new = [one.code for one in found.verdicts if one.verdict == CREATED]
                if not new:
                    return found
                batch = CodeBatch.objects.create(
                    book=book,
                    kind=CodeBatch.Kind.UPLOAD,
                    total=len(new),
                    max_redemptions=max_redemptions,
                )
                if insert_codes(batch, new) < len(new):
                    raise _Overtaken
                after = {"batch_id": batch.pk, **found.counts}
                audit.record("book.upload", book, after=after)
                batch.refresh_from_db()
                return Upload(found.verdicts, batch)
        except _Overtaken:
            continue
    raise CouponNotAvailable("Others bring the same codes at this moment; try again.")


def _judged(given: Sequence[str]) -> list[Verdict]:
    keys = [codes.normalise(text) for text in given]
    taken = {row for (row,) in fetch_all(_KNOWN, {"keys": sorted({key for key in keys if key})})}
    before: set[str] = set()
    verdicts = []
    for index, (text, key) in enumerate(zip(given, keys, strict=True)):
        code = text.strip()
        verdict, detail = CREATED, ""
        if not key or not codes.is_writable(code):
            verdict, detail = INVALID, _NO_CODE
        elif key in taken:
            verdict, detail = DUPLICATE, _EXISTS
        elif key in before:
            verdict, detail = DUPLICATE, _TWICE
        before.add(key)
        shown = code[: codes.MAX_LENGTH]
        verdicts.append(Verdict(index, shown, verdict, detail))
    return verdicts


def _refuse_bad_rows(verdicts: list[Verdict]) -> None:
    for kind, refusal, words, what in (
        (INVALID, DomainError, "{n} can be no code.", "row"),
        (DUPLICATE, CouponNotAvailable, "{n} already there.", "code"),
    ):
        bad = [one for one in verdicts if one.verdict == kind]
        if bad:
            raise refusal(
                words.format(n=plural(len(bad), what)),
                errors=[
                    {"pointer": f"/codes/{one.index}", "code": kind, "detail": one.detail}
                    for one in bad[:ERRORS_SHOWN]
                ],
                count=len(bad),
            )
