"""Many rows at once, pasted or in a file: a verdict on each, then those that can be taken are.

Nothing is written before the verdicts were seen. The rows travel with the page that shows them;
what is confirmed is judged again, and done only if the verdicts are still those that were shown.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.template.response import TemplateResponse

from promopulse.lib import plans
from promopulse.lib.admin.plans import PlanPage, Report, name_fields
from promopulse.lib.errors import DomainError, Invalid, PlanChanged
from promopulse.lib.widgets import FileInput, TextArea
from promopulse.lib.words import plural

# Of each verdict; all that are bad can be downloaded.
SHOWN = 100
_CARRIED = "rows"


class RowsForm(forms.Form):
    """A file, or one row a line; subclasses add what else is asked."""

    file = forms.FileField(required=False, widget=FileInput, help_text="CSV, in UTF-8.")
    pasted = forms.CharField(
        required=False, strip=False, widget=TextArea(attrs={"rows": 8}), help_text="One a line."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned.get("file") and not cleaned.get("pasted"):
            raise forms.ValidationError("Choose a file, or paste some lines.")
        return cleaned


@dataclass(frozen=True)
class Row:
    """One row of what was brought, and what would become of it; `number` counts from 1.

    `names` is the id of what the row stands for, where it only names something.
    """

    number: int
    text: str
    verdict: str
    is_taken: bool
    detail: str = ""
    names: int | None = None


# What is told of a row that is not taken: its number, text, verdict and the reason.
Rejected = tuple[int, str, str, str]


@dataclass(frozen=True)
class Judged:
    """What would be done: the rows that can be taken. `found` is what the service judged."""

    rows: Sequence[Row]
    facts: tuple[Any, ...]
    found: Any

    @property
    def count(self) -> int:
        return sum(row.is_taken for row in self.rows)

    @property
    def hash(self) -> str:
        verdicts = [(row.text, row.verdict, row.names) for row in self.rows]
        return plans.digest("rows", *self.facts, verdicts)

    @property
    def counts(self) -> Counter[str]:
        return Counter(row.verdict for row in self.rows)

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows are not taken, by their verdict."""
        return Counter(row.verdict for row in self.rows if not row.is_taken)

    def rejected(self) -> Iterator[Rejected]:
        """The rows that are not taken."""
        for row in self.rows:
            if not row.is_taken:
                yield row.number, row.text, row.verdict, row.detail

    def shown(self) -> list[Row]:
        """Some of each, the bad ones first."""
        bad = [row for row in self.rows if not row.is_taken][:SHOWN]
        return bad + [row for row in self.rows if row.is_taken][:SHOWN]


def told_left_out(done: str, left_out: Mapping[str, int]) -> str:
    """The sentence of what was done, and what was not."""
    if not left_out:
        return done
    reasons = ", ".join(
        f"{verdict.lower()} ({count:,})" for verdict, count in sorted(left_out.items())
    )
    return f"{done} {plural(sum(left_out.values()), 'row')} left out: {reasons}."


class RowsPage(PlanPage):
    """Subclasses read the rows, judge them and take them."""

    form_template = "admin/rows.html"
    template = "admin/rows_judged.html"
    most = 100_000

    # What a subclass gives, beside `may` and `back`

    def asks(self, data: Any, files: Any, **named: Any) -> RowsForm:
        raise NotImplementedError

    def of_file(self, content: bytes) -> list[str]:
        """The rows of a file. Raises Invalid."""
        raise NotImplementedError

    def judged(self, rows: list[str], options: dict[str, str], **named: Any) -> Judged:
        """What would become of each. Raises what the service refuses."""
        raise NotImplementedError

    def take(
        self, request: HttpRequest, judged: Judged, options: dict[str, str], **named: Any
    ) -> Report:
        raise NotImplementedError

    def words(self, judged: Judged | None, **named: Any) -> dict[str, Any]:
        """For the templates: `title`, `says`, `button`, and `by_a_job` for so many rows."""
        raise NotImplementedError

    # How it goes

    def __call__(self, request: HttpRequest, **named: Any) -> HttpResponse:
        if not self.may(request, **named):
            raise PermissionDenied
        if request.method != "POST":
            return self._form(request, self.asks(None, None, **named), **named)
        if _CARRIED in request.POST:
            return self._confirmed(request, **named)
        form = self.asks(request.POST, request.FILES, **named)
        if not form.is_valid():
            return self._form(request, form, **named)
        options = _options(form)
        try:
            rows = self._read(form.cleaned_data)
            judged = self.judged(rows, options, **named)
        except DomainError as refusal:
            if not name_fields(form, refusal):
                form.add_error(None, refusal.detail)
            return self._form(request, form, **named)
        return self._judged(request, judged, rows, options, **named)

    def _read(self, given: dict[str, Any]) -> list[str]:
        if given.get("file"):
            rows = self.of_file(given["file"].read())
        else:
            rows = [line for line in given["pasted"].splitlines() if line.strip()]
        if not 1 <= len(rows) <= self.most:
            raise Invalid("file", f"From 1 to {self.most:,} rows are expected.", "max_length")
        return rows

    def _confirmed(self, request: HttpRequest, **named: Any) -> HttpResponse:
        rows = _carried(request.POST[_CARRIED], self.most)
        data = request.POST.copy()
        data["pasted"] = "-"  # in the place of the rows, which are carried
        asked = self.asks(data, None, **named)
        if rows is None or not asked.is_valid():
            return HttpResponseBadRequest("These are not the rows of the page before.")
        options = _options(asked)
        try:
            judged = self.judged(rows, options, **named)
            if "rejected" in request.POST:
                return rejected_file(judged.rejected())
            plans.must_be(judged, request.POST.get("plan", ""))
            return self._told(request, self.take(request, judged, options, **named))
        except PlanChanged as changed:
            self.admin.message_user(request, changed.detail, "error")
            return self._judged(request, judged, rows, options, **named)
        except DomainError as refusal:
            asked.add_error(None, refusal.detail)
            return self._form(request, asked, **named)

    def _form(self, request: HttpRequest, form: RowsForm, **named: Any) -> HttpResponse:
        return self._drawn(request, self.form_template, None, {"form": form}, **named)

    def _judged(
        self,
        request: HttpRequest,
        judged: Judged,
        rows: list[str],
        options: dict[str, str],
        **named: Any,
    ) -> HttpResponse:
        hidden = {**options, _CARRIED: msgspec.json.encode(rows).decode(), "plan": judged.hash}
        left_out = len(judged.rows) - len(judged.shown())
        context = {
            "judged": judged,
            "counts": [(words, f"{count:,}") for words, count in judged.counts.items()],
            "row_count": f"{len(judged.rows):,}",
            "rejected": len(judged.rows) - judged.count,
            "hidden": hidden.items(),
            "left_out": f"{left_out:,}" if left_out > 0 else "",
        }
        return self._drawn(request, self.template, judged, context, **named)

    def _drawn(
        self,
        request: HttpRequest,
        template: str,
        judged: Judged | None,
        more: dict[str, Any],
        **named: Any,
    ) -> HttpResponse:
        context = self.admin.admin_site.each_context(request) | {
            "opts": self.admin.opts,
            "object": self.subject(request, **named),
            "media": self.admin.media,
            "back": self.back(**named),
            **self.words(judged, **named),
            **more,
        }
        return TemplateResponse(request, template, context)


def _options(form: RowsForm) -> dict[str, str]:
    """What else was asked, as the form read it: `3.0` was read as 3."""
    own = (name for name in form.fields if name not in RowsForm.base_fields)
    return {name: str(form.cleaned_data[name]) for name in own}


def _carried(text: str, most: int) -> list[str] | None:
    """The rows that a page carried; None for what no page carries."""
    try:
        rows = msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return rows if 1 <= len(rows) <= most and "\x00" not in "".join(rows) else None


def rejected_file(rows: Iterable[Rejected]) -> HttpResponse:
    """The rows that are not taken, each with the reason."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["row", "given", "verdict", "detail"])
    for number, given, verdict, detail in rows:
        text = f"'{given}" if given[:1] in ("=", "+", "-", "@", "\t", "\r") else given
        writer.writerow([number, text, verdict, detail])
    answer = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="rejected-rows.csv"'
    return answer
