"""Codes made and brought: batches.

Which row is the truth: `CodeBatch`. What is missing of it is what is made next, a chunk a
transaction: the batch's row is held, the chunk's codes are inserted (those that exist already are
left out), and a trigger adds to `done` what was. So a batch can be killed anywhere and taken up by
anybody, by two at once in turns, and ends with exactly its total. The message that wakes a worker
is a doorbell; the beat rings it too.
"""

import time
from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.db.models import Sum

from accounts import audit, jobs
from promopulse.lib.errors import Invalid
from promopulse.lib.problems import constraint_of
from promopulse.lib.sql import bound_cursor, fetch_one
from promopulse.lib.time import ClockTimestamp
from promopulse.lib.words import plural
from promotions.coupons import codes, doorbell, rules
from promotions.coupons.errors import BatchNotFound, BookNotFound, CapacityExceeded, CouponExpired
from promotions.coupons.models import CODE_ONCE, PLACE_BITS, CodeBatch, CouponBook

CHUNK = 50_000
# So many a statement: what is done again where a code exists already.
PART = 5_000
# The kind of job that tells how far a large batch is; it helps to fill it.
JOB = "codes"

# Places of the book in draws, never given twice: those of codes that existed already stay empty.
_PLACES = f"""
UPDATE coupons_couponbook SET places = places + %(count)s WHERE id = %(book)s
RETURNING (id << {PLACE_BITS}) + places - %(count)s
"""
_COPY = """
COPY coupons_coupon (book_id, batch_id, code, max_redemptions, state, uses, draw_key) FROM STDIN
"""
_INSERT_UNLESS_THERE = """
WITH made AS (
    INSERT INTO coupons_coupon (book_id, batch_id, code, max_redemptions, state, uses, draw_key)
    SELECT %(book)s, %(batch)s, code, %(most)s, 'UNASSIGNED', 0, %(first)s::bigint + number - 1
    FROM unnest(%(codes)s::text[]) WITH ORDINALITY AS given(code, number)
    ON CONFLICT (code_key) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM made
"""


def insert_codes(batch: CodeBatch, made: Iterable[str]) -> int:
    """Add codes to a batch that is held; gives how many were new in the whole system.

    Holds the book's row until the transaction ends.
    """
    # Sorted by the form that is unique: neighbours fall on the same pages of its index, and two who
    # bring the same codes wait for each other in one order. Those of one shape are so as they are.
    key = codes.normalise if batch.kind == CodeBatch.Kind.UPLOAD else None
    rows = sorted(made, key=key)
    (first,) = fetch_one(_PLACES, {"book": batch.book_id, "count": len(rows)})
    added, are_new = 0, True
    for start in range(0, len(rows), PART):
        part, place = rows[start : start + PART], first + start
        # Where one existed others will: what follows is not copied in vain.
        are_new = are_new and _copied(batch, part, place)
        added += len(part) if are_new else _added(batch, part, place)
    return added


def _copied(batch: CodeBatch, codes: list[str], first: int) -> bool:
    """Add codes in places from `first` on, if all of them are new."""
    try:
        _copy(batch, codes, first)
    except IntegrityError as error:
        if constraint_of(error) != CODE_ONCE:
            raise
        return False
    return True


def _added(batch: CodeBatch, codes: list[str], first: int) -> int:
    """Add those codes that are new, in places from `first` on; gives how many."""
    params = {
        "book": batch.book_id,
        "batch": batch.pk,
        "most": batch.max_redemptions,
        "first": first,
        "codes": codes,
    }
    (count,) = fetch_one(_INSERT_UNLESS_THERE, params)
    return int(count)


def _copy(batch: CodeBatch, codes: list[str], first: int) -> None:
    """Add codes, all of them new or none: looking for each of them first costs more.

    What a code is made of (`codes.is_writable`) means nothing else in the text of a COPY.
    """
    before = f"{batch.book_id}\t{batch.pk}\t"
    after = f"\t{batch.max_redemptions}\tUNASSIGNED\t0\t"
    rows = [f"{before}{code}{after}{place}\n" for place, code in enumerate(codes, first)]
    with transaction.atomic(), bound_cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(rows))


def generate(
    book_id: int,
    *,
    count: int,
    prefix: str = "",
    suffix: str = "",
    pattern: str = "",
    length: int = codes.DEFAULT_LENGTH,
    charset: str = codes.DEFAULT_CHARSET,
    max_redemptions: int = 1,
    here: bool | None = None,
) -> CodeBatch:
    """Make codes: some at once, many by a job that the batch tells about.

    `here` fills it before this returns, whatever its size (None: small ones). Raises BookNotFound,
    CouponExpired for a book that has ended, Invalid, and CapacityExceeded with the most possible.
    """
    small = type(count) is int and count <= rules.MAX_AT_ONCE
    with transaction.atomic():
        batch = begin(
            book_id, count=count, prefix=prefix, suffix=suffix, pattern=pattern, length=length,
            charset=charset, max_redemptions=max_redemptions,
        )  # fmt: skip
        if small and here is None:
            _fill_up(batch)
        elif not here:
            transaction.on_commit(doorbell.ring)
            title = f"{plural(count, 'code')} for {batch.book}"
            jobs.start(JOB, title=title, params={"batch_id": batch.pk}, total=count)
    if here:
        fill(batch.pk)
    batch.refresh_from_db()
    return batch


def begin(
    book_id: int,
    *,
    count: int,
    prefix: str = "",
    suffix: str = "",
    pattern: str = "",
    length: int = codes.DEFAULT_LENGTH,
    charset: str = codes.DEFAULT_CHARSET,
    max_redemptions: int = 1,
) -> CodeBatch:
    """Write down, in the caller's transaction, a batch to be filled. Raises as `generate`."""
    rules.whole("count", count, 1, rules.MAX_GENERATED)
    rules.whole("max_redemptions", max_redemptions, 1, rules.MAX_REDEMPTIONS)
    book = open_book(book_id, max_redemptions)
    shape = rules.shape(
        prefix=prefix, suffix=suffix, pattern=pattern or book.code_pattern, length=length,
        charset=charset,
    )  # fmt: skip
    check_room(shape, count)
    batch = CodeBatch.objects.create(
        book=book, kind=CodeBatch.Kind.GENERATE, total=count, max_redemptions=max_redemptions,
        pattern=shape.pattern, length=shape.length, charset=shape.charset, shape=shape.key,
    )  # fmt: skip
    audit.record(
        "book.generate",
        book,
        after={"batch_id": batch.pk, "count": count, "pattern": shape.pattern},
    )
    return batch


def open_book(book_id: int, max_redemptions: int) -> CouponBook:
    """A book that codes may be added to. Raises BookNotFound, CouponExpired or Invalid."""
    # Held against a change of its rules until the batch is there to speak for them.
    book = CouponBook.objects.select_for_update(no_key=True).filter(pk=book_id).first()
    if book is None:
        raise BookNotFound()
    if CouponBook.objects.filter(pk=book_id, expires_at__lte=ClockTimestamp()).exists():
        raise CouponExpired("The book has ended.")
    if max_redemptions > 1 and not book.allow_multi_redemption:
        raise Invalid("max_redemptions", "The codes of this book have one use.", "single_use")
    return book


def check_room(shape: codes.Shape, count: int) -> int:
    """How many codes of a shape there are. Raises CapacityExceeded if so many more are too many."""
    made = made_of(shape)
    left = max(0, shape.most - made)
    if count > left:
        raise CapacityExceeded(most=left, possible=shape.possible, asked=count)
    return made


def made_of(shape: codes.Shape) -> int:
    """Codes of this shape that were made, or are being made, in the whole system."""
    batches = CodeBatch.objects.filter(shape=shape.key)
    running = batches.filter(status=CodeBatch.Status.RUNNING).aggregate(n=Sum("total"))["n"] or 0
    ended = batches.exclude(status=CodeBatch.Status.RUNNING).aggregate(n=Sum("done"))["n"] or 0
    return running + ended


def fill(batch_id: int, *, seconds: float | None = None) -> bool:
    """Make what is missing of a batch, a chunk a transaction; whether it is finished.

    Somebody else who fills it is left to it. After so many `seconds` it stops, to be taken up.
    """
    started = time.monotonic()
    while True:
        with transaction.atomic():
            batch = (
                CodeBatch.objects.select_for_update(skip_locked=True, no_key=True)
                .filter(pk=batch_id)
                .first()
            )
            if batch is None:
                return False
            if batch.status != CodeBatch.Status.RUNNING:
                return True
            insert_codes(batch, batch.code_shape.make(min(CHUNK, batch.total - batch.done)))
        if seconds is not None and time.monotonic() - started > seconds:
            return False


def _fill_up(batch: CodeBatch) -> None:
    """Make all of a small batch in the caller's transaction."""
    missing = batch.total
    while missing:
        missing -= insert_codes(batch, batch.code_shape.make(missing))


def fill_waiting(*, seconds: float) -> bool:
    """Fill what waits, the oldest first; whether nothing is left to do for somebody else."""
    running = CodeBatch.objects.filter(
        status=CodeBatch.Status.RUNNING, kind=CodeBatch.Kind.GENERATE
    )
    started = time.monotonic()
    for batch_id in running.order_by("id").values_list("id", flat=True):
        left = seconds - (time.monotonic() - started)
        if left <= 0 or not fill(batch_id, seconds=left):
            return False
    return True


def cancel(book_id: int, batch_id: int, *, reason: str = "") -> CodeBatch:
    """Stop making codes; those that are made stay. A finished batch stays as it is.

    Raises BatchNotFound.
    """
    reason = rules.reason(reason)
    with transaction.atomic():
        # Waits for the chunk that is being inserted, some tenths of a second.
        batch = (
            CodeBatch.objects.select_for_update(no_key=True)
            .filter(pk=batch_id, book_id=book_id)
            .first()
        )
        if batch is None:
            raise BatchNotFound()
        if batch.status == CodeBatch.Status.RUNNING:
            CodeBatch.objects.filter(pk=batch.pk).update(
                status=CodeBatch.Status.CANCELLED, finished_at=ClockTimestamp()
            )
            audit.record(
                "book.cancel_batch",
                batch.book,
                after={"batch_id": batch.pk, "done": batch.done, "total": batch.total},
                reason=reason,
            )
            batch.refresh_from_db()
        return batch
