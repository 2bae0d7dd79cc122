"""*Why not?*: a customer, a cart and a time; every rule with its tick or cross."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.models import User
from promopulse.lib import money
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.shown import Tone
from promopulse.lib.errors import DomainError
from promopulse.lib.widgets import AmountInput, AutocompleteOne
from promotions import rules
from promotions.admin import extensions
from promotions.admin.forms import LocalTimeField
from promotions.discounts.explaining import Explanation, explain
from promotions.discounts.models import Discount
from promotions.models import Promotion, PromotionTarget

_NAMES = {
    "status": "Status",
    "pause": "Pause",
    "start": "Start",
    "end": "End",
    "currency": "Currency",
    "audience": "Audience",
    "min_cart_value": "Least cart",
    "value": "Value",
    "daily_limit": "A customer a day",
    "budget": "Budget",
}


def _amount(label: str, **more: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        min_value=Decimal(0),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=AmountInput,
        **more,
    )


class WhyNotForm(forms.Form):
    user = forms.ModelChoiceField(
        User.objects.filter(erased_at=None),
        label="Customer",
        widget=AutocompleteOne(PromotionTarget._meta.get_field("user"), admin.site),
    )
    cart_value = _amount("Cart")
    delivery_charge = _amount("Delivery", required=False, initial=0)
    at = LocalTimeField(
        label="When", required=False, help_text="By the promotion's clocks; empty is now."
    )


class WhyNotPage:
    """The page `.../<promotion>/why-not/`. Nothing is stored: a look at the rules as they are."""

    def __init__(self, model_admin: "admin.ModelAdmin[Promotion]") -> None:
        self.admin = model_admin

    def __call__(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.admin.has_view_permission(request):
            raise PermissionDenied
        promotion = self.admin.get_queryset(request).filter(pk=pk).first()
        if promotion is None or not Discount.objects.filter(promotion=promotion).exists():
            raise Http404
        form = WhyNotForm(request.POST or None)
        context: dict[str, Any] = self.admin.admin_site.each_context(request) | {
            "opts": self.admin.opts,
            "object": promotion,
            "title": f"Why not? {promotion.name}",
            "form": form,
            "media": self.admin.media + form.media,
            "back": reverse("admin:promotions_promotion_change", args=[pk]),
        }
        if request.method == "POST" and form.is_valid():
            context |= self._told(promotion, form)
        return TemplateResponse(request, "admin/promotions/promotion/why_not.html", context)

    def _told(self, promotion: Promotion, form: WhyNotForm) -> dict[str, Any]:
        given = form.cleaned_data
        at: datetime | None = given["at"]
        try:
            if at is not None:
                at = rules.placed("at", at, promotion.timezone)
            found = explain(
                promotion,
                user_id=given["user"].pk,
                cart_value=given["cart_value"],
                delivery_charge=given["delivery_charge"] or Decimal(0),
                at=at,
            )
        except DomainError as refusal:
            for error in refusal.errors or [{"pointer": "/", "detail": refusal.detail}]:
                name = error["pointer"].strip("/")
                form.add_error(name if name in form.fields else None, error["detail"])
            return {}
        return {"found": found, "rows": _rows(found), "caps": _caps(found), "verdict": _said(found)}


def _rows(found: Explanation) -> list[dict[str, Any]]:
    yes, no = looks.badge("check", "Yes", Tone.GOOD), looks.badge("cross", "No", Tone.BAD)
    return [
        {
            "name": _NAMES[asked.rule],
            "badge": no if asked.refusal else yes,
            "needed": asked.needed,
            "actual": asked.actual,
            "why": asked.refusal.detail if asked.refusal else "",
            "code": asked.refusal.code if asked.refusal else "",
        }
        for asked in found.rules
    ]


def _caps(found: Explanation) -> list[dict[str, Any]]:
    return [
        {
            "name": cap.name,
            "amount": "no limit" if cap.amount is None else _money(cap.amount, found.currency),
            "binds": cap.binds,
        }
        for cap in found.caps
    ]


def _money(amount: Decimal, currency: str) -> str:
    return f"{money.round_money(amount, currency):,} {currency}"


def _said(found: Explanation) -> str:
    if found.refusals:
        return f"Nothing: {looks.plural(len(found.refusals), 'rule')} said no."
    return f"{_money(found.amount, found.currency)} off."


def _urls(model_admin: Any) -> list[URLPattern]:
    view = model_admin.admin_site.admin_view(WhyNotPage(model_admin))
    return [path("<int:pk>/why-not/", view, name="promotions_promotion_why_not")]


def _button(request: HttpRequest, promotion: Promotion) -> list[tuple[str, str]]:
    if not Discount.objects.filter(promotion=promotion).exists():
        return []
    return [("Why not", reverse("admin:promotions_promotion_why_not", args=[promotion.pk]))]


extensions.urls.append(_urls)
extensions.buttons.append(_button)
