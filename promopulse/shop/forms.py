"""What people fill in on the pages. Shapes only: the services judge the values."""

from decimal import Decimal
from typing import Any

from django import forms

from promopulse.lib.errors import DomainError
from promopulse.lib.money import CURRENCIES, DECIMAL_PLACES, DEFAULT_CURRENCY, MAX_DIGITS

# Room for a code with a dash or a space after each character.
MAX_TYPED = 128
# What a form asks for in another way than the service.
_FIELDS = {"/count": "how_many", "/coupons_per_user": "how_many"}


def name_fields(form: forms.Form, refusal: DomainError) -> bool:
    """Make a refusal that is about fields of the form an error of each; whether it was."""
    named = [
        (name, error["detail"])
        for error in refusal.errors
        if (name := _FIELDS.get(error["pointer"], error["pointer"].strip("/"))) in form.fields
    ]
    for name, words in named:
        form.add_error(name, words)
    return bool(named)


class MoneyInput(forms.DecimalField):
    def __init__(self, *, label: str, required: bool = True) -> None:
        super().__init__(
            label=label,
            required=required,
            min_value=Decimal(0),
            max_digits=MAX_DIGITS,
            decimal_places=DECIMAL_PLACES,
            widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
        )


class CartForm(forms.Form):
    """The cart a coupon is used on; `delivery_charge` only where delivery is made cheaper."""

    cart_value = MoneyInput(label="Value of your cart")
    delivery_charge = MoneyInput(label="Delivery charge")

    def __init__(self, *args: Any, currency: str, with_delivery: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = f"{field.label} ({currency})"
        if not with_delivery:
            del self.fields["delivery_charge"]


class CodeForm(forms.Form):
    """A code as somebody types it."""

    code = forms.CharField(
        label="Code",
        max_length=MAX_TYPED,
        help_text="Capital or small letters, with or without dashes.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )


class OffersForm(forms.Form):
    """A cart to ask for offers with."""

    cart_value = MoneyInput(label="Value of your cart")
    delivery_charge = MoneyInput(label="Delivery charge", required=False)
    currency = forms.ChoiceField(
        choices=[(code, code) for code in sorted(CURRENCIES)], initial=DEFAULT_CURRENCY
    )


class DistributeForm(forms.Form):
    """Which codes to spread over a pool, and how. `seed` comes back with a plan."""

    book_id = forms.TypedChoiceField(label="Book", coerce=int)
    mode = forms.ChoiceField(
        label="How",
        choices=[("equal", "Equal shares"), ("random", "At random")],
    )
    how_many = forms.IntegerField(label="Coupons", min_value=1)
    counted = forms.ChoiceField(
        label="Counted", choices=[("each", "for each person"), ("all", "in all")]
    )
    seed = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, books: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["book_id"].choices = books  # type: ignore[attr-defined]

    def asked(self) -> dict[str, Any]:
        """The arguments of the service."""
        given = self.cleaned_data
        per_user = given["counted"] == "each"
        return {
            "book_id": given["book_id"],
            "mode": given["mode"],
            "count": None if per_user else given["how_many"],
            "coupons_per_user": given["how_many"] if per_user else None,
            "seed": given["seed"],
        }
