"""*Upload...*: codes out of a file or pasted, a verdict on each, then those that are new."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts import jobs
from accounts.admin.by_jobs import left_to
from promopulse.lib.admin.plans import Report
from promopulse.lib.admin.rows import Judged, Row, RowsForm, RowsPage, told_left_out
from promopulse.lib.admin.shown import plural
from promopulse.lib.widgets import AmountInput
from promotions.coupons import reading, rules
from promotions.coupons.admin.access import may_write
from promotions.coupons.models import CouponBook
from promotions.coupons.services import upload_jobs, uploading

_VERDICTS = {
    uploading.CREATED: "New",
    uploading.DUPLICATE: "Exists already",
    uploading.INVALID: "Can be no code",
}


class UploadForm(RowsForm):
    max_redemptions = forms.IntegerField(
        label="Uses of each code",
        initial=1,
        min_value=1,
        max_value=rules.MAX_REDEMPTIONS,
        widget=AmountInput,
    )

    def __init__(self, data: Any, files: Any, book: CouponBook) -> None:
        super().__init__(data, files)
        self.fields["file"].help_text = "CSV with a column named code, or one code a line."
        if not book.allow_multi_redemption:
            del self.fields["max_redemptions"]


class UploadPage(RowsPage):
    """The page `.../<book>/upload/`."""

    most = rules.MAX_UPLOADED

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_write(request)

    def asks(self, data: Any, files: Any, **named: Any) -> UploadForm:
        return UploadForm(data, files, get_object_or_404(CouponBook, pk=named["pk"]))

    def of_file(self, content: bytes) -> list[str]:
        return reading.codes_of(content)

    def judged(self, rows: list[str], options: dict[str, str], **named: Any) -> Judged:
        uses = _uses(options)
        found = uploading.upload(
            named["pk"], rows, on_duplicate=uploading.SKIP, max_redemptions=uses, dry_run=True
        )
        verdicts = [
            Row(
                one.index + 1,
                one.code,
                _VERDICTS[one.verdict],
                one.verdict == uploading.CREATED,
                one.detail,
            )
            for one in found.verdicts
        ]
        return Judged(verdicts, ("coupons.upload", named["pk"], uses), found.verdicts)

    def take(
        self, request: HttpRequest, judged: Judged, options: dict[str, str], **named: Any
    ) -> Report:
        uses = _uses(options)
        if jobs.is_large(judged.count):
            return left_to(
                upload_jobs.start(
                    named["pk"],
                    judged.found,
                    max_redemptions=uses,
                    plan=judged.hash,
                    left_out=judged.left_out,
                    rejected=list(judged.rejected()),
                )
            )
        new = [row.text for row in judged.rows if row.is_taken]
        if not new:
            return Report(said(0, judged.left_out), self.back(**named))
        done = uploading.upload(named["pk"], new, on_duplicate=uploading.SKIP, max_redemptions=uses)
        words = said(done.counts[uploading.CREATED], judged.left_out)
        if done.batch is None:
            return Report(words, self.back(**named))
        return Report(words, reverse("admin:coupons_codebatch_change", args=[done.batch.pk]))

    def back(self, **named: Any) -> str:
        return reverse("admin:coupons_couponbook_change", args=[named["pk"]])

    def words(self, judged: Judged | None, **named: Any) -> dict[str, Any]:
        book = CouponBook.objects.get(pk=named["pk"])
        return {
            "title": f"Upload codes into {book}",
            "says": "Each row gets its verdict before anything is written.",
            "button": f"Bring {judged.count:,}" if judged else "",
            "by_a_job": judged is not None and jobs.is_large(judged.count),
        }


def said(count: int, left_out: Mapping[str, int]) -> str:
    return told_left_out(f"{plural(count, 'code')} brought into the book.", left_out)


def _uses(options: dict[str, str]) -> int:
    return int(options.get("max_redemptions") or 1)
