"""The page of a plan: GET shows what would be done, POST does what was shown, then it reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join

from promopulse.lib.errors import DomainError, PlanChanged
from promopulse.lib.plans import Plan
from promopulse.lib.widgets import TextArea

MAX_REASON = 500


class ReasonForm(forms.Form):
    """Why it is done, if somebody wants to say."""

    reason = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        widget=TextArea(attrs={"rows": 2}),
        help_text="Kept in the history.",
    )


class MustSayWhy(ReasonForm):
    reason = forms.CharField(
        max_length=MAX_REASON,
        widget=TextArea(attrs={"rows": 2}),
        help_text="Kept in the history.",
    )


@dataclass(frozen=True)
class Report:
    """What became of it: words, where to go on, the plan that would undo it, and where more of it
    is seen: words and address."""

    words: str
    back: str
    level: int = messages.SUCCESS
    undo: str = ""
    see: tuple[str, str] | None = None


class Nothing(Exception):
    """The address names nothing that could be planned; the words say what to do."""


class PlanPage:
    """One kind of plan. Subclasses say what is planned, how it is shown and what does it."""

    template = "admin/plan.html"

    def __init__(self, model_admin: "admin.ModelAdmin[Any]") -> None:
        self.admin = model_admin

    # What a subclass gives

    def may(self, request: HttpRequest, **named: Any) -> bool:
        raise NotImplementedError

    def form(self, request: HttpRequest, **named: Any) -> type[forms.Form]:
        return ReasonForm

    def plan(self, request: HttpRequest, **named: Any) -> Plan:
        """What would be done now. Raises Nothing, or Http404."""
        raise NotImplementedError

    def do(
        self, request: HttpRequest, plan: Plan, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        """Do it, if `expected` is its hash still. Raises PlanChanged or another DomainError."""
        raise NotImplementedError

    def shown(self, request: HttpRequest, plan: Plan, **named: Any) -> dict[str, Any]:
        """For the template: `title`, `says`, `button`, and what its blocks need."""
        raise NotImplementedError

    def back(self, **named: Any) -> str:
        """Where it is left without having done anything."""
        raise NotImplementedError

    def subject(self, request: HttpRequest, **named: Any) -> Any:
        """The row of this admin that the page is about, if it is about one."""
        return self.admin.get_object(request, str(named["pk"])) if "pk" in named else None

    # How it goes

    def __call__(self, request: HttpRequest, **named: Any) -> HttpResponse:
        if not self.may(request, **named):
            raise PermissionDenied
        kind = self.form(request, **named)
        form = kind(request.POST) if request.method == "POST" else kind()
        try:
            plan = self.plan(request, **named)
            if request.method == "POST" and form.is_valid():
                expected = request.POST.get("plan", "")
                report = self.do(request, plan, expected, form.cleaned_data, **named)
                return self._told(request, report)
        except Nothing as nothing:
            report = Report(str(nothing), self.back(**named), messages.WARNING)
            return self._told(request, report)
        except PlanChanged as changed:
            return self._changed(request, changed)
        except DomainError as refusal:
            if not name_fields(form, refusal):
                back = self.back(**named)
                return self._told(request, Report(refusal.detail, back, messages.ERROR))
        return self._page(request, plan, form, **named)

    def _changed(self, request: HttpRequest, changed: PlanChanged) -> HttpResponse:
        """The plan as it is now, to be reviewed."""
        here = request.get_full_path()
        return self._told(request, Report(changed.detail, here, messages.ERROR))

    def _told(self, request: HttpRequest, report: Report) -> HttpResponse:
        links = [report.see] if report.see else []
        if report.undo:
            links.append(("Undo...", report.undo))
        drawn = format_html_join(
            "", ' <a class="pp-link" href="{}">{}</a>', ((url, words) for words, url in links)
        )
        told = format_html("{}{}", report.words, drawn) if links else report.words
        self.admin.message_user(request, told, report.level)
        return HttpResponseRedirect(report.back)

    def _page(
        self, request: HttpRequest, plan: Plan, form: forms.Form, **named: Any
    ) -> HttpResponse:
        context = self.admin.admin_site.each_context(request) | {
            "opts": self.admin.opts,
            "object": self.subject(request, **named),
            "plan": plan,
            "form": form,
            "media": self.admin.media + form.media,
            "back": self.back(**named),
            **self.shown(request, plan, **named),
        }
        return TemplateResponse(request, self.template, context)


def name_fields(
    form: forms.BaseForm, refusal: DomainError, names: Mapping[str, str] | None = None
) -> bool:
    """Make a refusal of a field of the form an error of it; False if it is about something else.

    `names`: what the form calls fields that the service calls otherwise.
    """
    named = False
    for error in refusal.errors:
        name = error["pointer"].strip("/")
        name = (names or {}).get(name, name)
        if name in form.fields:
            form.add_error(name, error["detail"])
            named = True
    return named
