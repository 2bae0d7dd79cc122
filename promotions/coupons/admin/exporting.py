"""Codes of a book, a batch or a distribution as CSV, streamed; masked for who may not see them."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse

from promopulse.lib.admin import whole_id
from promopulse.lib.widgets import Select
from promotions.coupons import codes
from promotions.coupons.admin.access import sees_codes
from promotions.coupons.admin.shown import NAMES
from promotions.coupons.models import CouponBook
from promotions.coupons.services import exporting
from promotions.coupons.services.revealing import revealed
from promotions.coupons.states import State

# What of a book is exported, as the address names it.
PARTS = ("batch", "distribution")


class ExportForm(forms.Form):
    state = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((state.value, NAMES[state]) for state in State)],
        widget=Select,
        help_text="As it is now.",
    )


def url(book_id: int, **part: int | str) -> str:
    """The export of a book, of a part of it, or of its codes in a state."""
    address = reverse("admin:coupons_couponbook_export_codes", args=[book_id])
    query = urlencode(part)
    return f"{address}?{query}" if query else address


class ExportPage:
    """GET asks which, POST streams them: whoever sees codes in full leaves a trace."""

    def __init__(self, model_admin: "admin.ModelAdmin[CouponBook]") -> None:
        self.admin = model_admin

    def __call__(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        if not self.admin.has_view_permission(request):
            raise PermissionDenied
        book = CouponBook.objects.filter(pk=pk).first()
        if book is None:
            raise Http404
        part = {name: whole_id(request.GET.get(name, "")) for name in PARTS}
        sent = request.POST if request.method == "POST" else None
        form = ExportForm(sent, initial={"state": request.GET.get("state", "")})
        if request.method == "POST" and form.is_valid():
            wanted = form.cleaned_data["state"] or None
            return _streamed(request, book, part | {"state": wanted})
        return self._page(request, book, part, form)

    def _page(
        self, request: HttpRequest, book: CouponBook, part: dict[str, Any], form: forms.Form
    ) -> HttpResponse:
        of = "".join(f", {name} {pk}" for name, pk in part.items() if pk is not None)
        context = self.admin.admin_site.each_context(request) | {
            "opts": self.admin.opts,
            "object": book,
            "title": f"Export the codes of {book}{of}",
            "form": form,
            "media": self.admin.media + form.media,
            "sees_codes": sees_codes(request),
            "back": reverse("admin:coupons_couponbook_change", args=[book.pk]),
        }
        return TemplateResponse(request, "admin/coupons/export.html", context)


def _streamed(
    request: HttpRequest, book: CouponBook, which: dict[str, Any]
) -> StreamingHttpResponse:
    filters = {"state": which["state"]} | {f"{name}_id": which[name] for name in PARTS}
    rows = exporting.rows(book, **filters)
    if sees_codes(request):
        revealed(book, how="csv", **which)
    else:
        rows = (row | {"code": codes.masked(row["code"])} for row in rows)
    named = "".join(f"-{name}-{which[name]}" for name in PARTS if which[name] is not None)
    return StreamingHttpResponse(
        exporting.as_csv(rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="book-{book.pk}{named}.csv"'},
    )
