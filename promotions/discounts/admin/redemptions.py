"""Redemptions: what was given, how it came about, and giving it back."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.safestring import SafeString

from promopulse.lib import money
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.plans import MustSayWhy
from promopulse.lib.admin.shown import Tone
from promopulse.lib.widgets import AmountInput
from promotions.admin.filters import NumberFilter
from promotions.discounts import services
from promotions.discounts.admin.columns import GrantedAdmin, amount
from promotions.discounts.admin.reversing import ReversePage, ReversePlan, may_reverse
from promotions.discounts.models import Redemption


class Standing(admin.SimpleListFilter):
    title = "given back"
    parameter_name = "reversed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Nothing"), ("part", "A part"), ("whole", "All of it")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "no":
                return queryset.filter(reversed=0)
            case "part":
                return queryset.filter(reversed__gt=0, reversed__lt=F("amount"))
            case "whole":
                return queryset.filter(reversed=F("amount"))
        return queryset


class AmountFromFilter(NumberFilter):
    title = "amount"
    parameter_name = "amount"
    choices_offered = tuple((str(least), f"From {least}") for least in (10, 50, 100, 500))

    def condition(self, number: int) -> Q:
        return Q(amount__gte=number)


@admin.register(Redemption)
class RedemptionAdmin(GrantedAdmin):
    empty_words = "A redemption appears when a shop applies a discount or captures one it held."
    list_display = (
        *("id", "promotion_link", "user_link", "order_id", "amount_shown", "badge"),
        "granted_at",
    )
    list_filter = (
        Standing,
        AmountFromFilter,
        ("granted_at", admin.DateFieldListFilter),
    )
    fields = (
        *("promotion_link", "user_link", "order_id", "reservation_id", "badge", "granted_at"),
        *("trace", "given_back"),
    )
    readonly_fields = fields
    export_columns = (
        *("id", "promotion_id", "user_id", "order_id", "cart_value", "delivery_charge"),
        *("original_amount", "amount", "limited_by", "currency", "reversed", "local_day"),
        "granted_at",
    )

    @admin.display(description="given back")
    def badge(self, redemption: Redemption) -> SafeString:
        if not redemption.reversed:
            return looks.badge("check", "Granted", Tone.GOOD)
        back = amount(redemption.reversed, redemption.currency)
        if redemption.left:
            return looks.badge("again", "Partly reversed", Tone.WARN, f"{back} given back")
        return looks.badge("again", "Reversed", Tone.CALM)

    @admin.display(description="reversals")
    def given_back(self, redemption: Redemption) -> SafeString:
        rows = [
            (
                looks.moment(reversal.created_at),
                f"{amount(reversal.amount, redemption.currency)} {reversal.reason}".strip(),
            )
            for reversal in redemption.reversals.order_by("pk")
        ]
        return looks.facts(rows) if rows else SafeString("-")

    def get_urls(self) -> list[Any]:
        reverse_page = self.admin_site.admin_view(ReverseRedemption(self))
        return [
            path("<int:pk>/reverse/", reverse_page, name="discounts_redemption_reverse"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Redemption) -> dict[str, Any]:
        if not obj.left or not may_reverse(request):
            return {}
        url = reverse("admin:discounts_redemption_reverse", args=[obj.pk])
        return {"moves": [("Reverse", url)]}


class ReverseForm(MustSayWhy):
    amount = forms.DecimalField(
        required=False,
        min_value=money.minor_unit("KWD"),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=AmountInput,
        help_text="Empty gives back all that is left.",
    )
    field_order = ("amount", "reason")


class ReverseRedemption(ReversePage):
    """The page `.../<redemption>/reverse/`: all that is left of it, or part of that."""

    kind = "reverse"
    final = "A reversal stays; only another redemption grants again."

    def form(self, request: HttpRequest, **named: Any) -> type[forms.Form]:
        return ReverseForm

    def plan(self, request: HttpRequest, **named: Any) -> ReversePlan:
        redemption = get_object_or_404(Redemption, pk=named["pk"])
        return ReversePlan(self.kind, redemption, redemption.reversed, bool(redemption.left))

    def reverse(self, redemption: Any, given: dict[str, Any]) -> str:
        done = services.reverse(redemption.pk, amount=given["amount"], reason=given["reason"])
        return f"{amount(done.amount, redemption.currency)} given back."

    def words(self, request: HttpRequest, redemption: Any) -> tuple[str, str]:
        left = amount(redemption.left, redemption.currency)
        return (
            f"Reverse redemption {redemption.pk}",
            f"{left} can be given back. The money returns to the budget; with the last of "
            "it the customer may use the discount again that day. Its order id stays used.",
        )

    def back(self, **named: Any) -> str:
        return reverse("admin:discounts_redemption_change", args=[named["pk"]])
