"""The tabs of one book's page, each with only what it needs. No code is counted: tallies are."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from promopulse.lib.admin import panels
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.panels import Panel
from promopulse.lib.time import db_now
from promotions.admin.extensions import sentences
from promotions.admin.shown import changes
from promotions.coupons import selectors
from promotions.coupons.admin import batches, shown
from promotions.coupons.admin.access import shown_code
from promotions.coupons.models import Coupon, CouponBook, Distribution

TABS = ("Overview", "Batches", "Coupons", "Distributions", "History")
ROWS = 20
TRAIL_ROWS = 50
_NOTHING = {
    "batches": "No codes yet. Generate some, or upload your own.",
    "coupons": "No codes yet. Generate some, or upload your own.",
    "distributions": "Nothing was given to a pool yet.",
}


def is_over(book: CouponBook) -> bool:
    """Whether the book has ended, by the moment of the look where there is one."""
    at = getattr(book, "judged_at", None) or db_now()
    return book.expires_at is not None and book.expires_at <= at


def context(request: HttpRequest, book: CouponBook) -> dict[str, Any]:
    """What the page's template shows beside the form. `book` brings its counts and the moment."""
    seen: Any = book
    page = reverse("admin:coupons_couponbook_change", args=[book.pk])
    found = panels.context(request, book, page=page, tabs=TABS, panels=_OWN)
    found |= {
        "badge": shown.book_badge(book, seen.counts, seen.judged_at),
        "about": book.description,
        "nothing": _NOTHING.get(found["tab"], ""),
    }
    if found["tab"] == "history":
        found["trail"] = changes(selectors.history_of_book(book.pk), TRAIL_ROWS, "book.")
    return found


def _codes(_request: HttpRequest, book: Any) -> SafeString:
    """Codes by state, each a link to them."""
    if not book.counts.total:
        return SafeString("No codes yet. Generate some, or upload your own.")
    coupons = reverse("admin:coupons_coupon_changelist")
    rows = [
        (
            shown.state_badge(state),
            format_html('<span class="pp-number">{}</span>', f"{number:,}"),
            format_html(
                '<a class="pp-link" href="{}?book={}&state={}">{} coupons</a>',
                coupons,
                book.pk,
                state.value,
                shown.NAMES[state],
            ),
        )
        for state in shown.ORDER
        if (number := shown.count_in(book.counts, state))
    ]
    words = f"{book.counts.total:,} in all, as of {looks.moment(book.judged_at)}"
    return format_html(
        '{}{}<p class="pp-hint pp-after">{}</p>',
        shown.stack(book.counts),
        looks.table(("State", "Codes", "Which"), rows),
        words,
    )


def _terms(_request: HttpRequest, book: CouponBook) -> SafeString:
    """Its rules in plain words."""
    gives: Any = "Nothing by itself: the shop decides what a code is worth"
    if book.promotion is not None:
        said = next(
            (words for say in sentences if (words := say([book.promotion]).get(book.promotion.pk))),
            "",
        )
        link = looks.link("admin:promotions_promotion_change", book.promotion_id, book.promotion)
        gives = format_html('{}<span class="pp-hint">{}</span>', link, said)
    held, used = book.max_assignments_per_user, book.max_redemptions_per_user
    return looks.facts(
        [
            ("Gives", gives),
            ("Ends", shown.end(book)),
            ("Who redeems", "Who holds it" if book.requires_assignment else "Anybody"),
            ("Uses a code", "One or more" if book.allow_multi_redemption else "One"),
            ("Coupons a person", "Any number" if held is None else f"At most {held:,}"),
            ("Uses a person", "Any number" if used is None else f"At most {used:,}"),
        ]
    )


def _batches(request: HttpRequest, book: CouponBook) -> SafeString | str:
    found = list(selectors.batches_of(book.pk).order_by("-pk")[:ROWS])
    for batch in found:
        batch.judged_at = book.judged_at  # type: ignore[attr-defined]
    return looks.table(
        ("Batch", "How", "State", "Codes", "Made"),
        [
            (
                looks.link("admin:coupons_codebatch_change", batch.pk, f"Batch {batch.pk}"),
                batch.pattern or "Uploaded",
                batches.badge(batch),
                batches.bar(batch),
                looks.moment(batch.created_at),
            )
            for batch in found
        ],
    )


def _coupons(request: HttpRequest, book: Any) -> SafeString | str:
    found = list(Coupon.objects.filter(book_id=book.pk).order_by("-pk")[:ROWS])
    for coupon in found:
        coupon.book = book
    rows = [
        (
            looks.link("admin:coupons_coupon_change", one.pk, shown_code(request, one.code)),
            shown.state_badge(one.state_at(book.judged_at)),
            looks.link("admin:accounts_user_change", one.assigned_to_id, one.assigned_to_id)
            if one.assigned_to_id
            else "-",
            f"{one.uses:,} of {one.max_redemptions:,}",
        )
        for one in found
    ]
    if not rows:
        return ""
    every = f"{reverse('admin:coupons_coupon_changelist')}?book={book.pk}"
    return format_html(
        '{}<p class="pp-moves pp-after"><a class="pp-button" href="{}">All of its coupons</a></p>',
        looks.table(("Code", "State", "Holder", "Uses"), rows),
        every,
    )


def distributions_table(found: list[Distribution]) -> SafeString | str:
    """Distributions with their pools, one line each."""
    return looks.table(
        ("Distribution", "Pool", "How", "Coupons", "People", "When (UTC)"),
        [
            (
                looks.link("admin:coupons_distribution_change", one.pk, f"Distribution {one.pk}"),
                one.pool or "Gone",
                one.get_mode_display(),
                f"{one.assigned:,}{' (taken back)' if one.undone_at else ''}",
                f"{one.users:,}",
                looks.moment(one.created_at),
            )
            for one in found
        ],
    )


def _distributions(_request: HttpRequest, book: CouponBook) -> SafeString | str:
    found = selectors.distributions_of(book.pk).select_related("pool").order_by("-pk")
    return distributions_table(list(found[:ROWS]))


_OWN = (
    Panel("overview", "Codes by state", _codes, 10),
    Panel("overview", "Rules", _terms, 20),
    Panel("batches", f"Batches (the newest {ROWS})", _batches),
    Panel("coupons", f"Coupons (the newest {ROWS})", _coupons),
    Panel("distributions", f"Distributions (the newest {ROWS})", _distributions),
)
