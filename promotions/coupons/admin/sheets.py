"""Printable sheets of codes with QR: pages of cards, for whoever may see codes in full."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from promopulse.lib.admin import whole_id
from promotions.coupons import qr, selectors
from promotions.coupons.admin import shown
from promotions.coupons.admin.access import sees_codes
from promotions.coupons.models import CodeBatch
from promotions.coupons.services.finding import clock
from promotions.coupons.services.revealing import revealed

# Cards of one page of the browser, which prints as five sheets of A4.
CARDS = 120


class SheetPage:
    """The codes of a batch that can still be used, `CARDS` at a time, in the order they were made.

    Each look leaves a trace in the history of the book.
    """

    def __init__(self, model_admin: "admin.ModelAdmin[CodeBatch]") -> None:
        self.admin = model_admin

    def __call__(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not (self.admin.has_view_permission(request) and sees_codes(request)):
            raise PermissionDenied
        batch = CodeBatch.objects.select_related("book__promotion").filter(pk=pk).first()
        if batch is None:
            raise Http404
        after = whole_id(request.GET.get("after", "")) or 0
        return TemplateResponse(request, "admin/coupons/sheet.html", self._context(batch, after))

    @staticmethod
    def _context(batch: CodeBatch, after: int) -> dict[str, Any]:
        book = batch.book
        found = selectors.coupons_of(book, at=clock(), batch_id=batch.pk).filter(pk__gt=after)
        page = list(found.order_by("pk")[: CARDS + 1])
        cards, more = page[:CARDS], len(page) > CARDS
        revealed(book, how="sheet", batch=batch.pk, after=after, codes=len(cards))
        return {
            "batch": batch,
            "book": book,
            "cards": [{"code": one.code, "qr": qr.drawn(one.code)} for one in cards],
            "end": shown.end(book) if book.expires_at else "",
            "back": reverse("admin:coupons_codebatch_change", args=[batch.pk]),
            "first": f"{reverse('admin:coupons_codebatch_sheet', args=[batch.pk])}",
            "is_first": after == 0,
            "next": cards[-1].pk if more else None,
            "a_page": CARDS,
        }
