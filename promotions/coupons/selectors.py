"""Reads of books and coupons. States are those of a moment, not those that are stored."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import AuditEntry
from promopulse.lib.sql import fetch_all
from promotions.coupons.errors import BatchNotFound, BookNotFound, DistributionNotFound
from promotions.coupons.models import (
    CodeBatch,
    Coupon,
    CouponBook,
    CouponRedemption,
    Distribution,
)
from promotions.coupons.states import State

_COUNTS = """
SELECT book.id, coalesce(sum(tally.unassigned), 0)::bigint,
    coalesce(sum(tally.assigned), 0)::bigint, coalesce(sum(tally.locked), 0)::bigint,
    coalesce(sum(tally.redeemed), 0)::bigint, coalesce(sum(tally.expired), 0)::bigint,
    (SELECT count(*) FROM coupons_coupon coupon
        WHERE coupon.book_id = book.id AND coupon.state = 'LOCKED'
            AND coupon.locked_until <= %(at)s)
FROM coupons_couponbook book LEFT JOIN coupons_booktally tally ON tally.book_id = book.id
WHERE book.id = ANY(%(books)s::bigint[])
GROUP BY book.id
"""


@dataclass(frozen=True)
class Counts:
    """How many codes of a book are in which state."""

    unassigned: int = 0
    assigned: int = 0
    locked: int = 0
    redeemed: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.unassigned + self.assigned + self.locked + self.redeemed + self.expired


def books() -> QuerySet[CouponBook]:
    return CouponBook.objects.order_by("-id")


def book_by_id(book_id: int) -> CouponBook:
    """Raises BookNotFound."""
    book = CouponBook.objects.filter(pk=book_id).first()
    if book is None:
        raise BookNotFound()
    return book


def counts_of(shown: list[CouponBook], *, at: datetime) -> dict[int, Counts]:
    """Counts per state as they are at `at`, from the tallies: no codes are loaded or counted but
    lapsed locks that nobody has tidied yet."""
    found = {}
    ends = {book.pk: book.expires_at for book in shown}
    for book_id, free, assigned, locked, redeemed, expired, lapsed in fetch_all(
        _COUNTS, {"books": list(ends), "at": at}
    ):
        end = ends[book_id]
        if end is not None and end <= at:
            over = free + assigned + locked + expired
            found[book_id] = Counts(redeemed=redeemed, expired=over)
        else:
            found[book_id] = Counts(free, assigned + lapsed, locked - lapsed, redeemed, expired)
    return found


def _in_state(state: str, at: datetime) -> Q:
    """Coupons that are in `state` at `at`, by what is stored."""
    ended = Q(book__expires_at__isnull=False, book__expires_at__lte=at)
    lapsed = Q(state=State.LOCKED, locked_until__lte=at)
    if state == State.REDEEMED:
        return Q(state=State.REDEEMED)
    if state == State.EXPIRED:
        return Q(state=State.EXPIRED) | (~Q(state=State.REDEEMED) & ended)
    if state == State.UNASSIGNED:
        return Q(state=State.UNASSIGNED) & ~ended
    if state == State.LOCKED:
        return Q(state=State.LOCKED, locked_until__gt=at) & ~ended
    return (Q(state=State.ASSIGNED) | lapsed) & ~ended


def coupons_of(
    book: CouponBook,
    *,
    at: datetime,
    state: str | None = None,
    assigned_to: int | None = None,
    distribution_id: int | None = None,
    batch_id: int | None = None,
) -> QuerySet[Coupon]:
    """Coupons of a book."""
    found = Coupon.objects.filter(book=book)
    if state is not None:
        found = _of_book_in_state(found, book, state, at)
    if assigned_to is not None:
        found = found.filter(assigned_to_id=assigned_to)
    if distribution_id is not None:
        found = found.filter(distribution_id=distribution_id)
    if batch_id is not None:
        found = found.filter(batch_id=batch_id)
    return found


def _of_book_in_state(
    found: QuerySet[Coupon], book: CouponBook, state: str, at: datetime
) -> QuerySet[Coupon]:
    """The same as `_in_state`, of one book whose end is known: by its index alone."""
    if book.expires_at is not None and book.expires_at <= at:
        if state == State.EXPIRED:
            return found.exclude(state=State.REDEEMED)
        return found.filter(state=state) if state == State.REDEEMED else found.none()
    if state == State.LOCKED:
        return found.filter(state=State.LOCKED, locked_until__gt=at)
    if state == State.ASSIGNED:
        return found.filter(Q(state=State.ASSIGNED) | Q(state=State.LOCKED, locked_until__lte=at))
    if state == State.UNASSIGNED:
        # By their places they are found too where they are few.
        places = (book.first_place, book.first_place + book.places)
        return found.filter(state=state, draw_key__gte=places[0], draw_key__lt=places[1])
    return found.filter(state=state)


def coupons_of_user(user_id: int, *, at: datetime, state: str | None = None) -> QuerySet[Coupon]:
    """Coupons that are or were a user's, with their books."""
    found = Coupon.objects.select_related("book").filter(assigned_to_id=user_id)
    return found if state is None else found.filter(_in_state(state, at))


def batches_of(book_id: int) -> QuerySet[CodeBatch]:
    return CodeBatch.objects.filter(book_id=book_id)


def batch_by_id(book_id: int, batch_id: int) -> CodeBatch:
    """Raises BatchNotFound."""
    batch = batches_of(book_id).filter(pk=batch_id).first()
    if batch is None:
        raise BatchNotFound()
    return batch


def distributions_of(book_id: int) -> QuerySet[Distribution]:
    return Distribution.objects.filter(book_id=book_id)


def distribution_by_id(distribution_id: int) -> Distribution:
    """Raises DistributionNotFound."""
    distribution = Distribution.objects.filter(pk=distribution_id).first()
    if distribution is None:
        raise DistributionNotFound()
    return distribution


def history_of_book(book_id: int) -> QuerySet[AuditEntry]:
    """What was done to a book and with its codes: filled, changed, distributed, shown."""
    return AuditEntry.objects.filter(object_type="couponbook", object_id=book_id)


def history(coupon: Coupon) -> QuerySet[AuditEntry]:
    """What was done to a coupon: lock, unlock, redeem, reverse, force, assigned by hand."""
    return AuditEntry.objects.filter(object_type="coupon", object_id=coupon.pk)


def redemptions_of(coupon: Coupon) -> QuerySet[CouponRedemption]:
    return CouponRedemption.objects.filter(coupon=coupon).select_related("reversal")
