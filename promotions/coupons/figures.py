"""Books in numbers: which of them have few codes left. From the tallies, no code is counted."""

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum

from promotions.coupons.models import BookTally, CouponBook

LOW = 10  # per cent of a book's codes


def low_on_codes(books: QuerySet[CouponBook], percent: int = LOW) -> QuerySet[CouponBook]:
    """Those of which at most so much is still nobody's, and that had codes at all."""
    tallies = BookTally.objects.filter(book=OuterRef("pk")).values("book").order_by()
    every = Sum(F("unassigned") + F("assigned") + F("locked") + F("redeemed") + F("expired"))
    return books.annotate(
        free_codes=Subquery(tallies.annotate(free=Sum("unassigned")).values("free")),
        all_codes=Subquery(tallies.annotate(every=every).values("every")),
    ).filter(all_codes__gt=0, free_codes__lte=F("all_codes") * percent / 100)
