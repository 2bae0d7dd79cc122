"""What coupons add to the page of a promotion: its books, with what is left of each."""

from django.http import HttpRequest
from django.utils.safestring import SafeString

from promopulse.lib.admin import shown as looks
from promotions.admin.extensions import Panel, panels
from promotions.coupons import selectors
from promotions.coupons.admin import shown
from promotions.coupons.services.finding import clock
from promotions.models import Promotion

SHOWN = 20


def books(_request: HttpRequest, promotion: Promotion) -> SafeString | str:
    found = list(selectors.books().filter(promotion=promotion)[:SHOWN])
    at = clock()
    counts = selectors.counts_of(found, at=at)
    return looks.table(
        ("Book", "State", "Codes", "Left"),
        [
            (
                looks.link("admin:coupons_couponbook_change", book.pk, book),
                shown.book_badge(book, counts[book.pk], at),
                shown.stack(counts[book.pk], legend=False),
                f"{counts[book.pk].unassigned:,}",
            )
            for book in found
        ],
    )


panels.append(Panel("codes", f"Books (the newest {SHOWN})", books))
