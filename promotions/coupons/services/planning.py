"""What a run of *Generate* would make: judged by the rules it is made by, nothing written."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from promopulse.lib import plans
from promotions.coupons import rules
from promotions.coupons.codes import Shape
from promotions.coupons.models import CodeBatch, CouponBook
from promotions.coupons.services import batches

SAMPLE = 5
# Codes a second where no large batch was made yet that could tell.
USUAL_RATE = 30_000
# Of fewer codes the time says little.
TELLING = 50_000


@dataclass(frozen=True)
class Generation:
    """`made` is how many codes of the shape there are before; `seconds` is how long it may take.

    `last` is the book's latest batch: what was planned before it is not done after it, so a plan
    that is sent twice is done once.
    """

    book: CouponBook
    shape: Shape
    count: int
    max_redemptions: int
    made: int
    sample: list[str]
    seconds: float
    last: int | None

    @property
    def hash(self) -> str:
        shape = self.shape
        facts = (shape.pattern, shape.length, shape.charset, self.count, self.max_redemptions)
        return plans.digest("coupons.generate", self.book.pk, self.book.version, self.last, *facts)

    @property
    def possible(self) -> int:
        """How many different codes there are of the shape."""
        return self.shape.possible

    @property
    def most(self) -> int:
        """How many of the shape can still be made."""
        return self.shape.most - self.made

    @property
    def one_in(self) -> int:
        """One guess in so many hits a code, once these are made."""
        return self.shape.possible // (self.made + self.count)

    @property
    def by_a_job(self) -> bool:
        return self.count > rules.MAX_AT_ONCE


def plan(book_id: int, *, count: int, max_redemptions: int = 1, **look: Any) -> Generation:
    """What `batches.generate` would do with the same arguments. Raises what it raises."""
    rules.whole("count", count, 1, rules.MAX_GENERATED)
    rules.whole("max_redemptions", max_redemptions, 1, rules.MAX_REDEMPTIONS)
    with transaction.atomic():
        book = batches.open_book(book_id, max_redemptions)
        shape = shape_of(book, **look)
        made = batches.check_room(shape, count)
        sample = shape.make(SAMPLE)
        last = book.batches.order_by("-pk").values_list("pk", flat=True).first()
        took = _seconds(count)
        return Generation(book, shape, count, max_redemptions, made, sample, took, last)


def shape_of(book: CouponBook, *, pattern: str = "", **look: Any) -> Shape:
    """What codes of a book would look like. Raises Invalid."""
    return rules.shape(pattern=pattern or book.code_pattern, **look)


def _seconds(count: int) -> float:
    """By the last large batch that was made here."""
    done = CodeBatch.objects.filter(
        kind=CodeBatch.Kind.GENERATE, status=CodeBatch.Status.DONE, total__gte=TELLING
    )
    last = done.order_by("-pk").first()
    if last is None or last.finished_at is None:
        return count / USUAL_RATE
    return count * (last.finished_at - last.created_at).total_seconds() / last.total
