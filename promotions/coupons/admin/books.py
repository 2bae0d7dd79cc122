"""The pages of coupon books in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from promopulse.lib.admin import BaseAdmin, KeysetList, whole_id
from promopulse.lib.admin import shown as looks
from promotions.coupons import selectors
from promotions.coupons.admin import book_pages, shown
from promotions.coupons.admin.access import may_write
from promotions.coupons.admin.book_form import BookForm
from promotions.coupons.admin.exporting import ExportPage
from promotions.coupons.admin.filters import EndedFilter, LeftFilter
from promotions.coupons.admin.generating import GeneratePage
from promotions.coupons.admin.uploading import UploadPage
from promotions.coupons.models import CouponBook
from promotions.coupons.selectors import Counts
from promotions.coupons.services.finding import clock


class CountedList(KeysetList):
    """Gives all books of a page their counts at once, as of one moment."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)  # type: ignore[has-type]
        self.result_list = rows
        at = clock()
        counts = selectors.counts_of(rows, at=at)
        for book in rows:
            book.judged_at, book.counts = at, counts[book.pk]


@admin.register(CouponBook)
class CouponBookAdmin(BaseAdmin):
    form = BookForm
    change_form_template = "admin/coupons/book.html"
    list_display = ("id", "title", "badge", "codes", "left", "ends", "promotion_link")
    list_display_links = ("id", "title")
    list_filter = ("is_active", LeftFilter, EndedFilter, "requires_assignment")
    list_select_related = ("promotion",)
    ordering = ("-id",)
    sortable_by = ("id",)
    search_fields = ("name",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "An id, or how a name begins."
    empty_words = "A book holds codes and the rules they share."
    export_columns = (
        *("id", "name", "promotion_id", "is_active", "expires_at", "requires_assignment"),
        *("allow_multi_redemption", "max_assignments_per_user", "max_redemptions_per_user"),
        *("code_pattern", "created_at"),
    )

    _FORM = (
        (None, {"fields": ("name", "description", "promotion", "is_active", "seen_version")}),
        ("When", {"fields": ("ends",)}),
        (
            "Rules",
            {
                "fields": (
                    *("requires_assignment", "allow_multi_redemption"),
                    *("max_assignments_per_user", "max_redemptions_per_user", "code_pattern"),
                )
            },
        ),
    )

    # Which fields

    def get_fieldsets(self, request: HttpRequest, obj: CouponBook | None = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            names = [field.name for field in CouponBook._meta.concrete_fields]
            left_out = ("id", "version", "promotion", "expires_at")
            return ((None, {"fields": [name for name in names if name not in left_out]}),)
        if obj is not None and book_pages.is_over(obj):
            named, _when, rules = self._FORM
            return (named, ("When", {"fields": ("ended",)}), rules)
        return self._FORM

    def get_readonly_fields(self, request: HttpRequest, obj: CouponBook | None = None) -> Any:
        return ("ended", "created_at") if obj is not None else ()

    def get_form(
        self, request: HttpRequest, obj: CouponBook | None = None, change: bool = False, **kw: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kw)
        if obj is not None and book_pages.is_over(obj):
            form.base_fields.pop("ends", None)  # it cannot move; the page says why
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form has saved it."""

    # Lists

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CouponBook], search_term: str
    ) -> tuple[QuerySet[CouponBook], bool]:
        words = search_term.strip()
        if not words:
            return queryset, False
        found = Q(name__istartswith=words)  # books are few: thousands, not millions
        if (number := whole_id(words)) is not None:
            found |= Q(pk=number)
        return queryset.filter(found), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CountedList

    def choice_label(self, book: CouponBook) -> str:
        return f"{book.name}, book {book.pk}"

    @admin.display(description="name")
    def title(self, book: CouponBook) -> str:
        return book.name

    @admin.display(description="state")
    def badge(self, book: CouponBook) -> SafeString:
        return shown.book_badge(book, _counts(book), book.judged_at)  # type: ignore[attr-defined]

    @admin.display(description="codes")
    def codes(self, book: CouponBook) -> SafeString:
        return shown.stack(_counts(book), legend=False)

    @admin.display(description="left")
    def left(self, book: CouponBook) -> SafeString:
        counts = _counts(book)
        words = '{}<span class="pp-hint pp-nowrap">of {}</span>'
        return format_html(words, f"{counts.unassigned:,}", f"{counts.total:,}")

    @admin.display(description="ends")
    def ends(self, book: CouponBook) -> SafeString:
        return shown.end(book)

    @admin.display(description="end")
    def ended(self, book: CouponBook) -> SafeString:
        return format_html(
            '{}<span class="pp-hint">An end that has passed cannot move.</span>', shown.end(book)
        )

    @admin.display(description="promotion")
    def promotion_link(self, book: CouponBook) -> SafeString:
        if book.promotion is None:
            return SafeString("-")
        return looks.link("admin:promotions_promotion_change", book.promotion_id, book.promotion)

    # Pages

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view

        def page(words: str, shows: Any, name: str) -> Any:
            return path(f"<int:pk>/{words}/", view(shows(self)), name=f"coupons_couponbook_{name}")

        return [
            page("generate", GeneratePage, "generate"),
            page("upload", UploadPage, "upload"),
            page("codes", ExportPage, "export_codes"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        obj.judged_at = clock()
        obj.counts = selectors.counts_of([obj], at=obj.judged_at)[obj.pk]
        return book_pages.context(request, obj) | {"moves": _moves(request, obj)}


def _moves(request: HttpRequest, book: CouponBook) -> list[tuple[str, str]]:
    """What can be done with a book: words and address."""
    found = [("Export codes", reverse("admin:coupons_couponbook_export_codes", args=[book.pk]))]
    if not may_write(request) or book_pages.is_over(book):
        return found
    spread = reverse("admin:coupons_distribution_distribute")
    return [
        ("Generate", reverse("admin:coupons_couponbook_generate", args=[book.pk])),
        ("Upload", reverse("admin:coupons_couponbook_upload", args=[book.pk])),
        ("Distribute", f"{spread}?book={book.pk}"),
        *found,
    ]


def _counts(book: Any) -> Counts:
    counts: Counts = book.counts
    return counts
