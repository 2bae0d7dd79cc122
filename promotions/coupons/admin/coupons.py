"""Coupons in the admin: found by code, one with all that is known of it."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.roles import Permission
from promopulse.lib import limits
from promopulse.lib.admin import ReadOnlyAdmin
from promopulse.lib.admin import shown as looks
from promopulse.lib.errors import DomainError
from promotions.admin.shown import changes
from promotions.coupons import selectors
from promotions.coupons.admin import diagram, exporting, shown
from promotions.coupons.admin.access import may, sees_codes, shown_code
from promotions.coupons.admin.coupon_moves import MOVES, MovePage, ReverseUse, offered
from promotions.coupons.admin.filters import BookFilter, StateFilter, chosen_book
from promotions.coupons.guessing import guesses_limited
from promotions.coupons.models import Coupon, CouponRedemption
from promotions.coupons.services.finding import clock, find
from promotions.coupons.states import State

# A beginning finds no more than these.
FOUND = 1_000
ROWS = 50


@admin.register(Coupon)
class CouponAdmin(ReadOnlyAdmin):
    list_display = ("id", "code_shown", "badge", "book_link", "holder", "uses_shown", "until")
    list_display_links = ("id", "code_shown")
    list_filter = (BookFilter, StateFilter)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("code_key",)  # shows the box; `get_search_results` says what it finds
    empty_words = "Codes come into a book by the page of the book: generate or upload some."
    fields = (
        *("code_shown", "book_link", "batch_link", "holder", "distribution_link", "uses_shown"),
        *("until", "redeemed_at"),
    )
    readonly_fields = fields
    change_form_template = "admin/coupons/coupon.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Coupon]:
        """With their books; of the holder no more than the name."""
        names = (*(field.attname for field in Coupon._meta.concrete_fields), "assigned_to__name")
        books = ("name", "expires_at", "requires_assignment", "is_active", "promotion_id")
        rows: QuerySet[Coupon] = super().get_queryset(request)
        return rows.select_related("book", "assigned_to").only(
            *names, *(f"book__{name}" for name in books)
        )

    # Lists

    @property
    def search_help_text(self) -> str:
        return "A whole code, in any way of writing it; for admins also how codes begin."

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Every badge of a page is of one moment, every code as this person may see it."""
        found = super().get_changelist_instance(request)
        at = clock()
        found.result_list = list(found.result_list)
        for coupon in found.result_list:
            _seen_by(request, coupon, at)
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Coupon], search_term: str
    ) -> tuple[QuerySet[Coupon], bool]:
        """A whole code, by its index. A beginning finds codes only for who may see them: others
        could read a masked one letter by letter."""
        words = search_term.strip()
        if not words:
            return queryset, False
        if sees_codes(request):
            key = words.upper().replace("-", "").replace(" ", "")
            begins = Coupon.objects.filter(code_key__startswith=key).order_by("code_key")
            ids = list(begins.values_list("pk", flat=True)[:FOUND]) if key.isascii() else []
            return queryset.filter(pk__in=ids), False
        try:
            address = limits.address_of(request)
            with guesses_limited(f"user:{request.user.pk}", f"address:{address}"):
                return queryset.filter(pk=find(words).pk), False
        except DomainError as refusal:
            if refusal.code == "rate_limited":
                self.message_user(request, refusal.detail, messages.ERROR)
            return queryset.none(), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Codes of a book are exported from the book, which knows who may see them."""
        context = dict(extra_context or {})
        if (book := chosen_book(request)) is not None:
            state = request.GET.get("state", "")
            part = {"state": state} if state in State.values else {}
            context["export_url"] = exporting.url(book.pk, **part)
        return super().changelist_view(request, context)

    # One coupon

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            re_path(
                rf"^(?P<pk>[0-9]{{1,18}})/(?P<name>{'|'.join(MOVES)})/$",
                view(MovePage(self)),
                name="coupons_coupon_move",
            ),
            path(
                "redemptions/<int:pk>/reverse/",
                view(ReverseUse(self)),
                name="coupons_coupon_reverse",
            ),
            *super().get_urls(),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found: Any = super().get_object(request, object_id, from_field)
        return None if found is None else _seen_by(request, found, clock())

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        state = obj.state_at(obj.judged_at)
        return {
            "title": f"Coupon {obj.shown}",
            "subtitle": None,
            "code": obj.shown,
            "badge": self.badge(obj),
            "diagram": diagram.draw(state),
            "offered": offered(request, obj, state),
            "timeline": _timeline(obj),
            "redemptions": _redemptions(request, obj),
            "trail": changes(selectors.history(obj), ROWS, "coupon."),
        }

    # How it is shown

    @admin.display(description="code")
    def code_shown(self, coupon: Any) -> SafeString:
        return format_html("<code>{}</code>", coupon.shown)

    @admin.display(description="state")
    def badge(self, coupon: Any) -> SafeString:
        state = coupon.state_at(coupon.judged_at)
        hint = ""
        if state == State.LOCKED:
            hint = f"for {looks.span(coupon.locked_until - coupon.judged_at)} more"
        return shown.state_badge(state, hint)

    @admin.display(description="book")
    def book_link(self, coupon: Coupon) -> SafeString:
        return looks.link("admin:coupons_couponbook_change", coupon.book_id, coupon.book)

    @admin.display(description="batch")
    def batch_link(self, coupon: Coupon) -> SafeString:
        words = f"Batch {coupon.batch_id}"
        return looks.link("admin:coupons_codebatch_change", coupon.batch_id, words)

    @admin.display(description="distribution")
    def distribution_link(self, coupon: Coupon) -> SafeString | str:
        if coupon.distribution_id is None:
            return "-"
        words = f"Distribution {coupon.distribution_id}"
        return looks.link("admin:coupons_distribution_change", coupon.distribution_id, words)

    @admin.display(description="holder")
    def holder(self, coupon: Coupon) -> SafeString | str:
        user: Any = coupon.assigned_to
        if user is None:
            return "Nobody"
        return looks.link("admin:accounts_user_change", user.pk, user.name or user)

    @admin.display(description="uses")
    def uses_shown(self, coupon: Coupon) -> str:
        return f"{coupon.uses:,} of {coupon.max_redemptions:,}"

    @admin.display(description="ends")
    def until(self, coupon: Coupon) -> str:
        return looks.moment(coupon.book.expires_at) if coupon.book.expires_at else "Never"


def _seen_by(request: HttpRequest, coupon: Any, at: datetime) -> Any:
    """The coupon with the moment of the look, and its code as this person may see it."""
    coupon.judged_at, coupon.shown = at, shown_code(request, coupon.code)
    return coupon


def _timeline(coupon: Any) -> SafeString:
    """Its moments in order, those that have passed marked."""
    batch, book = coupon.batch, coupon.book
    known: list[tuple[str, datetime | None]] = [
        ("Made", batch.created_at),
        ("Assigned", coupon.assigned_at),
        ("Used up", coupon.redeemed_at),
        ("Book ends", book.expires_at),
    ]
    if coupon.state_at(coupon.judged_at) == State.LOCKED:
        known.append(("Locked until", coupon.locked_until))
    moments = sorted(((name, at) for name, at in known if at is not None), key=lambda one: one[1])
    zone = shown.zone_of(book)
    rows = (
        (
            "pp-past" if at <= coupon.judged_at else "",
            looks.sign("check" if at <= coupon.judged_at else "clock"),
            name,
            looks.moment_in(at, zone),
        )
        for name, at in moments
    )
    return format_html(
        '<ol class="pp-timeline">{}</ol>',
        format_html_join("", '<li class="{}">{}<span>{}</span><div>{}</div></li>', rows),
    )


def _redemptions(request: HttpRequest, coupon: Coupon) -> SafeString | str:
    found = selectors.redemptions_of(coupon).select_related("reversal", "user").order_by("-pk")
    columns = ("coupon_id", "order_id", "created_at", "discount_id", "user__name")
    returns = may(request, Permission.REVERSE)
    rows = []
    for one in found.only(*columns, "reversal__created_at", "reversal__reason")[:ROWS]:
        user: Any = one.user
        rows.append(
            (
                looks.moment(one.created_at),
                looks.link("admin:accounts_user_change", one.user_id, user.name or user),
                one.order_id or "-",
                looks.link("admin:discounts_redemption_change", one.discount_id, "Discount")
                if one.discount_id
                else "-",
                _standing(one, returns),
            )
        )
    return looks.table(("When (UTC)", "By", "Order", "Gave", "Given back"), rows)


def _standing(one: CouponRedemption, returns: bool) -> SafeString | str:
    if one.is_reversed:
        return f"{looks.moment(one.reversal.created_at)} {one.reversal.reason}".strip()
    if not returns:
        return "-"
    url = reverse("admin:coupons_coupon_reverse", args=[one.pk])
    return format_html('<a class="pp-link" href="{}">Reverse...</a>', url)
