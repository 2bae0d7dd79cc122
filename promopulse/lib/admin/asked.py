"""A plan of what a form asks for: the form, then its plan, then what was planned is done.

What is asked for stands in the address, so that a plan has one: it can be reviewed again, and the
way back leads to the form as it was filled in.
"""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from promopulse.lib.admin.plans import PlanPage, Report, name_fields
from promopulse.lib.errors import DomainError, PlanChanged
from promopulse.lib.plans import Plan

# In the address of a question that was sent, rather than opened; and of one that is looked at
# while it is filled in: then no plan is wanted yet.
ASKED, LOOK = "asked", "look"


class AskedPage(PlanPage):
    """Subclasses say what is asked, what that would do, and do it."""

    question_template = "admin/asked.html"

    # What a subclass gives, beside `may`, `form`, `shown` and `back`

    def question(self, data: Any, known: dict[str, Any], **named: Any) -> forms.Form:
        """The form that asks: `data` is the address of one that was sent, None before; then
        `known` is what the address says already."""
        raise NotImplementedError

    def planned(self, request: HttpRequest, asked: dict[str, Any], **named: Any) -> Plan:
        """What would be done now. Raises what the service refuses."""
        raise NotImplementedError

    def carry_out(
        self,
        request: HttpRequest,
        asked: dict[str, Any],
        expected: str,
        given: dict[str, Any],
        **named: Any,
    ) -> Report:
        """Do it, if `expected` is its hash still. Raises PlanChanged or another DomainError."""
        raise NotImplementedError

    def asking(self, request: HttpRequest, question: forms.Form, **named: Any) -> dict[str, Any]:
        """For the template of the form: `title`, `says`, and what its blocks need."""
        raise NotImplementedError

    # Fields that the service calls otherwise: its name in, the form's out.
    service_names: dict[str, str] = {}

    # How it goes

    def __call__(self, request: HttpRequest, **named: Any) -> HttpResponse:
        if not self.may(request, **named):
            raise PermissionDenied
        sent = request.GET if ASKED in request.GET else None
        question = self.question(sent, request.GET.dict(), **named)
        if LOOK in request.GET or not (question.is_bound and question.is_valid()):
            return self._ask(request, question, **named)
        asked = question.cleaned_data
        kind = self.form(request, **named)
        form = kind(request.POST) if request.method == "POST" else kind()
        try:
            if request.method == "POST" and form.is_valid():
                expected = request.POST.get("plan", "")
                done = self.carry_out(request, asked, expected, form.cleaned_data, **named)
                return self._told(request, done)
            plan = self.planned(request, asked, **named)
        except PlanChanged as changed:
            return self._changed(request, changed)
        except DomainError as refusal:
            if not name_fields(question, refusal, self.service_names):
                question.add_error(None, refusal.detail)
            return self._ask(request, question, **named)
        return self._page(request, plan, form, **named)

    def _ask(self, request: HttpRequest, question: forms.Form, **named: Any) -> HttpResponse:
        context = self.admin.admin_site.each_context(request) | {
            "opts": self.admin.opts,
            "object": self.subject(request, **named),
            "question": question,
            "media": self.admin.media + question.media,
            "back": self.back(**named),
            **self.asking(request, question, **named),
        }
        return TemplateResponse(request, self.question_template, context)

    def _page(
        self, request: HttpRequest, plan: Plan, form: forms.Form, **named: Any
    ) -> HttpResponse:
        response = super()._page(request, plan, form, **named)
        again = request.GET.copy()
        del again[ASKED]
        assert isinstance(response, TemplateResponse)
        assert response.context_data is not None
        response.context_data["back"] = f"{request.path}?{again.urlencode()}"
        return response
