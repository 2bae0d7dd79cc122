"""What people fill in on the pages. Shapes only: the services judge the values."""

from decimal import Decimal
from typing import Any

from django import forms

from promopulse.lib.errors import DomainError
from promopulse.lib.money import CURRENCIES, DECIMAL_PLACES, DEFAULT_CURRENCY, MAX_DIGITS


def name_fields(form: forms.Form, refusal: DomainError) -> bool:
    """Make a refusal that is about fields of the form an error of each; whether it was."""
    named = [
        (error["pointer"].strip("/"), error["detail"])
        for error in refusal.errors
        if error["pointer"].strip("/") in form.fields
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


class OffersForm(forms.Form):
    """A cart to ask for offers with."""

    cart_value = MoneyInput(label="Value of your cart")
    delivery_charge = MoneyInput(label="Delivery charge", required=False)
    currency = forms.ChoiceField(
        choices=[(code, code) for code in sorted(CURRENCIES)], initial=DEFAULT_CURRENCY
    )
