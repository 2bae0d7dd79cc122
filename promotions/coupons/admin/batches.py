"""Batches of codes in the admin: how far each is, its codes, stop it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.safestring import SafeString

from promopulse.lib import plans
from promopulse.lib.admin import ExactIdSearch, ReadOnlyAdmin
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.plans import PlanPage, Report
from promopulse.lib.admin.shown import Tone, progress, time_left
from promotions.coupons.admin import exporting
from promotions.coupons.admin.access import may_write, sees_codes
from promotions.coupons.admin.sheets import SheetPage
from promotions.coupons.models import CodeBatch
from promotions.coupons.services import batches

Status = CodeBatch.Status
_LOOKS = {
    Status.RUNNING: ("Running", "play", Tone.WAIT),
    Status.DONE: ("Done", "check", Tone.GOOD),
    Status.CANCELLED: ("Cancelled", "stop", Tone.CALM),
}


def badge(batch: CodeBatch) -> SafeString:
    words, sign, tone = _LOOKS[Status(batch.status)]
    return looks.badge(sign, words, tone)


def bar(batch: CodeBatch) -> SafeString:
    """How far a batch is; needs `judged_at`, the moment of the look."""
    hint = ""
    if batch.status == Status.RUNNING:
        at: Any = batch.judged_at  # type: ignore[attr-defined]
        hint = time_left(batch.done, batch.total, at - batch.created_at)
    return progress(batch.done, batch.total, f"Progress of batch {batch.pk}", hint)


def results(request: HttpRequest, batch: CodeBatch) -> list[tuple[str, str]]:
    """Where the codes of a batch are to be had: words and address."""
    found = [("Codes as CSV", exporting.url(batch.book_id, batch=batch.pk))]
    if sees_codes(request):
        found.append(("Print with QR", reverse("admin:coupons_codebatch_sheet", args=[batch.pk])))
    return found


@admin.register(CodeBatch)
class CodeBatchAdmin(ExactIdSearch, ReadOnlyAdmin):
    list_display = ("id", "book_link", "kind", "state", "progress", "created_at")
    list_filter = ("status", "kind")
    list_select_related = ("book",)
    ordering = ("-id",)
    sortable_by = ()
    exact_ids = ("id", "book_id")
    search_help_text = "The id of a batch or of its book."
    empty_words = "Codes come into a book in batches: generate or upload some on its page."
    fields = (
        *("book_link", "kind", "pattern", "length", "charset", "max_redemptions"),
        "created_at",
    )
    readonly_fields = fields
    change_form_template = "admin/coupons/batch.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CodeBatch]:
        rows: QuerySet[CodeBatch] = super().get_queryset(request)
        return rows.select_related("book").annotate(judged_at=Now())

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/sheet/", view(SheetPage(self)), name="coupons_codebatch_sheet"),
            path("<int:pk>/cancel/", view(CancelPage(self)), name="coupons_codebatch_cancel"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: CodeBatch) -> dict[str, Any]:
        runs = obj.status == Status.RUNNING
        return {
            "batch": obj,
            "badge": badge(obj),
            "progress": bar(obj),
            "runs": runs,
            "links": results(request, obj) if obj.done else [],
            "may_cancel": runs and may_write(request),
            "hides_codes": not sees_codes(request),
        }

    @admin.display(description="book")
    def book_link(self, batch: CodeBatch) -> SafeString:
        return looks.link("admin:coupons_couponbook_change", batch.book_id, batch.book)

    @admin.display(description="state", ordering="status")
    def state(self, batch: CodeBatch) -> SafeString:
        return badge(batch)

    @admin.display(description="progress")
    def progress(self, batch: CodeBatch) -> SafeString:
        return bar(batch)


@dataclass(frozen=True)
class CancelPlan:
    batch: CodeBatch

    @property
    def count(self) -> int:
        return int(self.batch.status == Status.RUNNING)

    @property
    def hash(self) -> str:
        return plans.digest("coupons.cancel_batch", self.batch.pk, self.batch.status)


class CancelPage(PlanPage):
    """The page `.../<batch>/cancel/`."""

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_write(request)

    def plan(self, request: HttpRequest, **named: Any) -> CancelPlan:
        return CancelPlan(get_object_or_404(CodeBatch, pk=named["pk"]))

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        plans.must_be(plan, expected)
        batch = batches.cancel(plan.batch.book_id, plan.batch.pk, reason=given["reason"])
        return Report(f"Stopped at {batch.done:,} of {batch.total:,} codes.", self.back(**named))

    def back(self, **named: Any) -> str:
        return reverse("admin:coupons_codebatch_change", args=[named["pk"]])

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        return {
            "title": f"Stop batch {plan.batch.pk}",
            "says": "No more codes are made. Those that are made stay in the book.",
            "button": "Stop",
        }
