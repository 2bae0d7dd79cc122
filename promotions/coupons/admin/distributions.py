"""Distributions in the admin: what was spread, to whom, and taking it back."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.by_jobs import left_to
from accounts.models import Job
from promopulse.lib import plans
from promopulse.lib.admin import ExactIdSearch, ReadOnlyAdmin
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.plans import PlanPage, ReasonForm, Report
from promopulse.lib.admin.shown import Tone, plural
from promotions.coupons.admin import exporting
from promotions.coupons.admin.access import may_write, shown_code
from promotions.coupons.admin.distributing import DistributePage, people, skipped_table
from promotions.coupons.models import Coupon, Distribution
from promotions.coupons.services import distribution_jobs

SHOWN = 50


@admin.register(Distribution)
class DistributionAdmin(ExactIdSearch, ReadOnlyAdmin):
    list_display = (
        *("id", "book_link", "pool_link", "mode", "assigned", "users", "remainder", "badge"),
        "created_at",
    )
    list_filter = ("mode", ("undone_at", admin.EmptyFieldListFilter))
    list_select_related = ("book", "pool")
    ordering = ("-id",)
    sortable_by = ()
    exact_ids = ("id", "book_id", "pool_id")
    search_help_text = "The id of a distribution, of its book or of its pool."
    empty_words = "Codes of a book are spread over a pool from the page of either."
    export_columns = (
        *("id", "book_id", "pool_id", "mode", "seed", "assigned", "users", "remainder"),
        *("created_at", "undone_at"),
    )
    fields = (
        *("book_link", "pool_link", "badge", "mode", "assigned", "users", "remainder", "seed"),
        *("created_at", "undone_at"),
    )
    readonly_fields = fields
    change_form_template = "admin/coupons/distribution.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Distribution]:
        rows: QuerySet[Distribution] = super().get_queryset(request).select_related("book", "pool")
        # Who was skipped is read on the page of one.
        return rows.defer("skipped")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("distribute/", view(DistributePage(self)), name="coupons_distribution_distribute"),
            path("<int:pk>/undo/", view(UndoPage(self)), name="coupons_distribution_undo"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Distribution) -> dict[str, Any]:
        return _context(request, obj)

    @admin.display(description="book")
    def book_link(self, found: Distribution) -> SafeString:
        return looks.link("admin:coupons_couponbook_change", found.book_id, found.book)

    @admin.display(description="pool")
    def pool_link(self, found: Distribution) -> SafeString | str:
        if found.pool is None:
            return "Gone"
        return looks.link("admin:accounts_pool_change", found.pool_id, found.pool)

    @admin.display(description="state")
    def badge(self, found: Distribution) -> SafeString:
        if found.undone_at is not None:
            return looks.badge("again", "Taken back", Tone.CALM)
        return looks.badge("check", "Given", Tone.GOOD)


def _context(request: HttpRequest, found: Distribution) -> dict[str, Any]:
    given = (
        Coupon.objects.filter(distribution=found)
        .select_related("assigned_to")
        .only("code", "uses", "assigned_to__name")
        .order_by("pk")[:SHOWN]
    )
    skipped = [(one["user_id"], one["reason"], one["room"]) for one in found.skipped[:SHOWN]]
    rows = []
    for one in given:
        holder: Any = one.assigned_to
        rows.append(
            (
                looks.link("admin:coupons_coupon_change", one.pk, shown_code(request, one.code)),
                looks.link("admin:accounts_user_change", holder.pk, holder.name or holder),
            )
        )
    moves = []
    if may_write(request) and found.undone_at is None:
        moves.append(("Undo...", reverse("admin:coupons_distribution_undo", args=[found.pk])))
    if found.undone_at is None:
        moves.append(("Codes as CSV", exporting.url(found.book_id, distribution=found.pk)))
    return {
        "moves": moves,
        "given": looks.table(("Code", "Holder"), rows),
        "more": max(0, found.assigned - SHOWN) if rows else 0,
        "skipped": skipped_table(skipped, people([user for user, _why, _room in skipped])),
        "more_skipped": max(0, len(found.skipped) - SHOWN),
    }


@dataclass(frozen=True)
class UndoPlan:
    distribution: Distribution

    @property
    def count(self) -> int:
        return 0 if self.distribution.undone_at is not None else self.distribution.assigned

    @property
    def hash(self) -> str:
        undone = self.distribution.undone_at is not None
        return plans.digest("coupons.undo", self.distribution.pk, undone)


def taken_back_words(coupons: int) -> str:
    return f"{plural(coupons, 'coupon')} taken back."


class UndoPage(PlanPage):
    """The page `.../<distribution>/undo/`."""

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_write(request)

    def form(self, request: HttpRequest, **named: Any) -> type[ReasonForm]:
        return ReasonForm

    def plan(self, request: HttpRequest, **named: Any) -> UndoPlan:
        found = Distribution.objects.select_related("book", "pool")
        return UndoPlan(get_object_or_404(found, pk=named["pk"]))

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        plans.must_be(plan, expected)
        done = distribution_jobs.take_back(plan.distribution, reason=given["reason"])
        if isinstance(done, Job):
            return left_to(done)
        return Report(taken_back_words(done.assigned), self.back(**named))

    def back(self, **named: Any) -> str:
        return reverse("admin:coupons_distribution_change", args=[named["pk"]])

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        found = plan.distribution
        return {
            "title": f"Take distribution {found.pk} back",
            "says": format_html(
                "Its {} leave their holders and are free again in {}. Only while none of them is "
                "locked or was used.",
                plural(found.assigned, "coupon"),
                found.book,
            ),
            "button": f"Take {found.assigned:,} back",
        }
