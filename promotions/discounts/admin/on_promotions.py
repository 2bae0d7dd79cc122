"""What discounts add to the pages of promotions: their form, their sentence, their warnings."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from promopulse.lib import money
from promopulse.lib.admin import shown as looks
from promopulse.lib.errors import REASONS, Invalid
from promopulse.lib.widgets import AmountInput, Select
from promotions import previews
from promotions.admin import extensions
from promotions.discounts import refused, services
from promotions.discounts.models import Discount, DiscountType
from promotions.discounts.wording import sentence
from promotions.models import Promotion

GENEROUS = 50  # percent
DAYS = 30


def _money_field(label: str, help_text: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=Decimal(0),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=AmountInput,
        help_text=help_text,
    )


def fields() -> dict[str, forms.Field]:
    return {
        "discount_type": forms.ChoiceField(
            label="Off what",
            required=False,
            choices=[("", "Nothing: no discount"), *DiscountType.choices],
            widget=Select,
        ),
        "discount_percentage": forms.DecimalField(
            label="Percentage",
            required=False,
            max_digits=5,
            decimal_places=2,
            widget=AmountInput,
            help_text="Of the value, up to 100. Either this or a flat amount.",
        ),
        "discount_flat": _money_field("Flat amount", "Never more than the value itself."),
        "max_discount_amount": _money_field("At most", "The most one redemption gives."),
        "min_cart_value": _money_field("Carts from", "The least value of the cart."),
        "max_usage_per_customer_per_day": forms.IntegerField(
            label="A customer a day",
            required=False,
            min_value=1,
            widget=AmountInput,
            help_text="A day is local to the zone. Empty is 1.",
        ),
    }


def initial(promotion: Promotion) -> dict[str, Any]:
    discount: Any = getattr(promotion, "discount", None)
    if discount is None:
        return {}
    found = {name: getattr(discount, name) for name in fields()}
    for name in ("discount_flat", "max_discount_amount", "min_cart_value"):
        if found[name] is not None:
            found[name] = money.round_money(found[name], promotion.currency)
    return found


def save(promotion: Promotion, given: Mapping[str, Any]) -> None:
    """Make the draft's discount what the form says; raises what the services raise."""
    values = {name: value for name, value in given.items() if value not in (None, "")}
    if "discount_type" in values:
        services.set_discount(promotion.pk, values=values)
    elif Discount.objects.filter(promotion=promotion).exists():
        services.remove_discount(promotion.pk)
    elif values:
        raise Invalid("discount_type", "Say what it is off: the cart or the delivery.", "required")


def sentences(promotions: Sequence[Promotion]) -> Mapping[int, str]:
    found = Discount.objects.filter(promotion__in=promotions).select_related("promotion")
    return {one.promotion_id: sentence(one, one.promotion.currency) for one in found}


def facts_of_move(move: str, promotion: Promotion) -> list[tuple[str, Any]]:
    if move != "activate":
        return []
    words = sentences([promotion]).get(promotion.pk, "Nothing: it has no discount")
    return [("Gives", words)]


def warnings(move: str, promotion: Promotion) -> Iterable[str]:
    discount = Discount.objects.filter(promotion=promotion).first()
    if move != "activate" or discount is None:
        return
    if (discount.discount_percentage or 0) > GENEROUS:
        yield f"It gives more than {GENEROUS} % off."
    if discount.discount_flat and discount.discount_flat > discount.min_cart_value:
        yield "Its flat amount can be all of a small cart: there is no least cart above it."


def rules(request: Any, promotion: Promotion) -> SafeString | str:
    """The panel of a promotion's rules."""
    words = sentences([promotion]).get(promotion.pk)
    if words is None:
        return ""
    redemptions = reverse("admin:discounts_redemption_changelist")
    return format_html(
        '{}<p><a class="pp-link" href="{}?q={}">Its redemptions</a></p>',
        looks.facts([("Gives", words)]),
        redemptions,
        promotion.pk,
    )


def refusals(request: Any, promotion: Promotion) -> SafeString | str:
    """Why customers were turned away, most often first, with how often."""
    found = refused.by_reason(promotion.pk, DAYS)
    if not found:
        return ""
    most = max(found.values())
    rows = [
        (
            format_html("{} {}", REASONS[code].title, looks.bar(times, most, REASONS[code].title)),
            f"{times:,}",
        )
        for code, times in found.items()
        if code in REASONS
    ]
    return format_html(
        '{}<p class="pp-hint">Of carts that asked for it, within seconds. About right: a process '
        "that is killed takes its last seconds along.</p>",
        looks.table(("Reason", "Times"), rows),
    )


class TypeFilter(SimpleListFilter):
    title = "off what"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*DiscountType.choices, ("none", "Nothing")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted == "none":
            return queryset.filter(discount=None)
        if wanted not in DiscountType.values:
            return queryset
        return queryset.filter(discount__discount_type=wanted)


extensions.filters.append(TypeFilter)
extensions.form_parts.append(extensions.FormPart("What it gives", fields, initial, save))
extensions.sentences.append(sentences)
extensions.move_facts.append(facts_of_move)
extensions.panels.append(extensions.Panel("Rules", "Discount", rules, place=10))
extensions.panels.append(
    extensions.Panel("Performance", f"Refused, {DAYS} days", refusals, place=15)
)
previews.warners.append(warnings)
