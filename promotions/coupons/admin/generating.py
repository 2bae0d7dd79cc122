"""*Generate...*: what the codes would look like and whether there is room, then they are made."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from promopulse.lib import plans
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.asked import AskedPage
from promopulse.lib.admin.plans import Report
from promopulse.lib.errors import DomainError
from promopulse.lib.widgets import AmountInput, TextInput
from promotions.coupons import codes, rules
from promotions.coupons.admin import shown
from promotions.coupons.admin.access import may_write
from promotions.coupons.errors import CapacityExceeded
from promotions.coupons.models import CodeBatch, CouponBook
from promotions.coupons.services import batches, planning
from promotions.coupons.services.planning import Generation


def _words(label: str, words: str, **more: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        strip=False,
        max_length=codes.MAX_LENGTH,
        widget=TextInput,
        help_text=words,
        **more,
    )


class GenerateForm(forms.Form):
    """What the service takes, under its names. It judges the values."""

    count = forms.IntegerField(
        label="How many", initial=100, min_value=1, max_value=rules.MAX_GENERATED,
        widget=AmountInput,
        help_text=f"Up to {rules.MAX_AT_ONCE:,} are made at once, more by a job.",
    )  # fmt: skip
    length = forms.IntegerField(
        label="Random characters", initial=codes.DEFAULT_LENGTH, min_value=codes.MIN_RANDOM,
        max_value=codes.MAX_RANDOM, widget=AmountInput,
    )  # fmt: skip
    pattern = _words("Pattern", "{} stands for the random part, as in SUMMER-{}-26.")
    prefix = _words("Before it", "Put before the pattern.")  # type: ignore[assignment]
    suffix = _words("After it", "Put after the pattern.")
    charset = _words(
        "Characters", "Of the random part. The usual ones leave out 0, 1, I, L and O.",
        initial=codes.DEFAULT_CHARSET,
    )  # fmt: skip
    max_redemptions = forms.IntegerField(
        label="Uses of each code", initial=1, min_value=1, max_value=rules.MAX_REDEMPTIONS,
        widget=AmountInput,
    )  # fmt: skip

    def __init__(self, data: Any, book: CouponBook, known: dict[str, Any]) -> None:
        super().__init__(data, initial={"pattern": book.code_pattern or codes.PLACE} | known)
        if not book.allow_multi_redemption:
            del self.fields["max_redemptions"]

    def asked(self) -> dict[str, Any]:
        """What was filled in; what was left empty is the service's to choose."""
        return {name: value for name, value in self.cleaned_data.items() if value != ""}


class GeneratePage(AskedPage):
    """The page `.../<book>/generate/`."""

    question_template = "admin/coupons/generate.html"
    template = "admin/coupons/generate_plan.html"

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_write(request)

    def question(self, data: Any, known: dict[str, Any], **named: Any) -> GenerateForm:
        return GenerateForm(data, get_object_or_404(CouponBook, pk=named["pk"]), known)

    def planned(self, request: HttpRequest, asked: dict[str, Any], **named: Any) -> Generation:
        return planning.plan(named["pk"], **_given(asked))

    def carry_out(
        self,
        request: HttpRequest,
        asked: dict[str, Any],
        expected: str,
        given: dict[str, Any],
        **named: Any,
    ) -> Report:
        with transaction.atomic():  # the book stays as it was planned with
            plan = planning.plan(named["pk"], **_given(asked))
            plans.must_be(plan, expected)
            batch = batches.generate(named["pk"], **_given(asked))
        done = batch.status == CodeBatch.Status.DONE
        words = f"{looks.plural(batch.total, 'code')} made." if done else "A job makes the codes."
        back = reverse("admin:coupons_codebatch_change", args=[batch.pk])
        return Report(words, back, messages.SUCCESS if done else messages.INFO)

    def form(self, request: HttpRequest, **named: Any) -> type[forms.Form]:
        return forms.Form

    def asking(self, request: HttpRequest, question: forms.Form, **named: Any) -> dict[str, Any]:
        assert isinstance(question, GenerateForm)
        book = CouponBook.objects.get(pk=named["pk"])
        return {
            "title": f"Generate codes for {book}",
            "says": "",
            "live_url": request.path,
            **self._live(question, book),
        }

    @staticmethod
    def _live(question: GenerateForm, book: CouponBook) -> dict[str, Any]:
        """A look at what stands in the form, whether or not it was sent."""
        given = {
            name: field.get_bound_field(question, name).value()
            for name, field in question.fields.items()
        }
        question = GenerateForm(given, book, {})
        if not question.is_valid():
            return {"trouble": _first_error(question)}
        try:
            return {"look": facts(planning.plan(book.pk, **question.asked()))}
        except CapacityExceeded as refusal:
            most = refusal.params["most"]
            return {
                "trouble": f"At most {most:,} codes can be made with this pattern, not "
                f"{refusal.params['asked']:,}: of {refusal.params['possible']:,} possible ones at "
                f"most one in {codes.SPARSITY} is made, so that a guess seldom hits.",
                "remedy": "Ask for fewer, or for more random characters.",
            }
        except DomainError as refusal:
            return {"trouble": refusal.detail}

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        return {
            "title": f"Generate {looks.plural(plan.count, 'code')} for {plan.book}",
            "says": "They are free until they are given to somebody."
            if plan.book.requires_assignment
            else "Anybody may redeem them: the book asks for no assignment.",
            "button": f"Generate {plan.count:,}",
            "look": facts(plan),
        }

    def back(self, **named: Any) -> str:
        return reverse("admin:coupons_couponbook_change", args=[named["pk"]])


def _given(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value != ""}


def _first_error(question: forms.Form) -> str:
    name, errors = next(iter(question.errors.items()))
    label = question.fields[name].label if name in question.fields else ""
    return f"{label}: {errors[0]}" if label else str(errors[0])


def facts(plan: Generation) -> dict[str, Any]:
    """What both pages say about it."""
    return {
        "sample": plan.sample,
        "rows": [
            ("Possible", f"{looks.plural(plan.possible, 'code')} of this look"),
            ("Most", f"{plan.most:,} can still be made"),
            ("A guess", f"hits one time in {plan.one_in:,}"),
            (
                "Takes",
                f"{shown.seconds(plan.seconds)}{', by a job' if plan.by_a_job else ''}",
            ),
        ],
    }
