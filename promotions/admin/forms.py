"""The form of one promotion. What the services refuse becomes an error of the form."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms.fields import InvalidJSONInput

from accounts.models import Pool, User
from promopulse.lib import money, time
from promopulse.lib.errors import DomainError, Invalid, VersionConflict
from promopulse.lib.strict_json import Unreadable, read_json
from promopulse.lib.widgets import (
    AmountInput,
    AutocompleteMany,
    SearchSelect,
    SplitMomentInput,
    TextArea,
    TextInput,
)
from promotions import rules, selectors, services
from promotions.admin import extensions, shown
from promotions.models import Promotion, PromotionTarget

_FIELD_OF = {
    "target_user_ids": "target_users",
    "target_pool_ids": "target_pools",
    "total": "budget_total",
}
_TIMES = ("start_at", "end_at")


class LocalTimeField(forms.MultiValueField):
    """A date and a time as the clocks of the promotion's zone show them.

    The time may bring its offset (02:30+02:00), for the hour that autumn repeats. The value is
    naive unless it does; the form knows the zone.
    """

    widget = SplitMomentInput

    def __init__(self, **kwargs: Any) -> None:
        fields = (forms.DateField(), forms.CharField(max_length=40))
        super().__init__(fields=fields, require_all_fields=True, **kwargs)

    def compress(self, data_list: list[Any]) -> datetime | None:
        if not data_list:
            return None
        day, clock = data_list
        try:
            return datetime.fromisoformat(f"{day.isoformat()}T{clock.strip()}")
        except ValueError:
            raise ValidationError("Enter a time such as 09:30.", code="invalid") from None


class StrictJSONField(forms.JSONField):
    """A JSON document that the database can hold."""

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values or not isinstance(value, str):
            return super().to_python(value)
        try:
            return read_json(value.encode())
        except Unreadable as error:
            raise ValidationError(f"Enter valid JSON: {error}.", code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, shown again as it was if it cannot be read."""
        try:
            return read_json((data or "null").encode())
        except Unreadable:
            return InvalidJSONInput(data)


class PromotionForm(forms.ModelForm):
    """An active promotion: what may still be edited.

    Saving happens while the form is checked, inside the request's transaction: the service is
    the one judge, and an error of its own must find its field.
    """

    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Promotion
        fields: tuple[str, ...] = ("name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version

    def _post_clean(self) -> None:
        """In the place of the model's own checks."""
        if self.errors:
            return
        try:
            with transaction.atomic():
                self.instance = self._write()
        except VersionConflict as conflict:
            self.add_error(None, _told(self.instance.pk, conflict))
        except DomainError as refusal:
            self._show(refusal)

    def _write(self) -> Promotion:
        return services.update_promotion(
            self.instance.pk,
            changes=self._changes(),
            expected_version=self.cleaned_data["seen_version"] or 0,
        )

    def _changes(self) -> dict[str, Any]:
        return {
            name: self.cleaned_data[name] for name in self.changed_data if name != "seen_version"
        }

    def _show(self, refusal: DomainError) -> None:
        for error in refusal.errors or [{"pointer": "/", "detail": refusal.detail}]:
            name = error["pointer"].strip("/")
            name = _FIELD_OF.get(name, name)
            self.add_error(name if name in self.fields else None, error["detail"])


class DraftForm(PromotionForm):
    """A draft, new or old: everything."""

    start_at = LocalTimeField(label="Starts", help_text="By the clocks of the zone below.")
    end_at = LocalTimeField(label="Ends", help_text="The first moment after it.")
    timezone = forms.ChoiceField(
        choices=[(zone, zone) for zone in sorted(time.ZONES)], initial="UTC", widget=SearchSelect
    )
    currency = forms.ChoiceField(
        choices=[(code, code) for code in sorted(money.CURRENCIES)],
        initial=money.DEFAULT_CURRENCY,
        widget=SearchSelect,
    )
    budget_total = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=AmountInput,
        help_text="What it may give away in all; empty for no limit.",
    )
    target_users = forms.ModelMultipleChoiceField(
        User.objects.all(),
        required=False,
        widget=AutocompleteMany(PromotionTarget._meta.get_field("user"), admin.site),
    )
    target_pools = forms.ModelMultipleChoiceField(
        Pool.objects.all(),
        required=False,
        widget=AutocompleteMany(PromotionTarget._meta.get_field("pool"), admin.site),
    )
    source_id = forms.CharField(
        required=False,
        max_length=rules.MAX_SOURCE_ID,
        widget=TextInput,
        help_text="Your own id for it.",
    )
    metadata = StrictJSONField(required=False, initial=dict, widget=TextArea)

    # What the service of promotions takes under the same name.
    _OWN = frozenset(
        "name description start_at end_at timezone currency is_targeted source_id metadata".split()
    )

    class Meta(PromotionForm.Meta):
        fields = (*PromotionForm.Meta.fields, "is_targeted")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial.update(_initial(self.instance))
            for part in extensions.form_parts:
                self.initial.update(part.initial(self.instance))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in _TIMES:
            if "timezone" in cleaned and cleaned.get(name) is not None:
                try:
                    cleaned[name] = rules.placed(name, cleaned[name], cleaned["timezone"])
                except Invalid as refusal:
                    self.add_error(name, refusal.detail)
        return cleaned

    def _write(self) -> Promotion:
        total = self.cleaned_data["budget_total"]
        if not self.instance.pk:
            values = self._values(self.fields)
            values["is_targeted"] = values["is_targeted"] or None
            promotion = services.create_promotion(**values)
            if total is not None:
                services.set_budget_total(promotion.pk, total=total)
        else:
            promotion = super()._write()
            if "budget_total" in self.changed_data:
                services.set_budget_total(promotion.pk, total=total)
        self._write_parts(promotion)
        return promotion

    def _write_parts(self, promotion: Promotion) -> None:
        for part in extensions.form_parts:
            names = part.fields()
            if not names.keys().isdisjoint(self.changed_data):
                part.save(promotion, {name: self.cleaned_data[name] for name in names})

    def _changes(self) -> dict[str, Any]:
        changed = set(self.changed_data)
        if "timezone" in changed:  # the same clock time is another instant
            changed |= set(_TIMES)
        return self._values(changed)

    def _values(self, names: Any) -> dict[str, Any]:
        """The named fields as the services call them."""
        metadata = self.cleaned_data["metadata"]
        given: Mapping[str, Any] = self.cleaned_data | {
            "source_id": self.cleaned_data["source_id"] or None,
            "metadata": {} if metadata is None else metadata,
        }
        values = {name: given[name] for name in names if name in self._OWN}
        for field, service_name in (
            ("target_users", "target_user_ids"),
            ("target_pools", "target_pool_ids"),
        ):
            if field in names:
                values[service_name] = [target.pk for target in given[field]]
        return values


def draft_form() -> type[DraftForm]:
    """The form with the parts that higher apps add to it."""
    parts = {name: field for part in extensions.form_parts for name, field in part.fields().items()}
    return type("WholeDraftForm", (DraftForm,), parts)


def _initial(promotion: Promotion) -> dict[str, Any]:
    """A stored draft in the form's terms."""
    audience = selectors.audience_of(promotion)
    budget = getattr(promotion, "budget", None)
    local = {
        name: getattr(promotion, name).astimezone(promotion.zone).replace(tzinfo=None)
        for name in _TIMES
    }
    return local | {
        "timezone": promotion.timezone,
        "currency": promotion.currency,
        "source_id": promotion.source_id or "",
        "metadata": promotion.metadata,
        "target_users": audience.target_user_ids,
        "target_pools": audience.target_pool_ids,
        "budget_total": budget and money.round_money(budget.total, promotion.currency),
    }


def _told(promotion_id: int, conflict: VersionConflict) -> list[str]:
    """Who changed it meanwhile, and what."""
    missed = max(1, conflict.params["present"] - conflict.params["expected"])
    lines = ["Somebody else saved this promotion meanwhile. Open it again to edit what is there."]
    for change in shown.trail(promotion_id, min(missed, 10)):
        values = "; ".join(f"{name}: {old} -> {new}" for name, old, new in change.values)
        lines.append(f"{change.who}, {change.at:%H:%M} UTC, {change.action}: {values}")
    return lines
