"""The form of one book. What the services refuse becomes an error of the form."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction

from promopulse.lib.errors import DomainError, VersionConflict
from promopulse.lib.widgets import AmountInput, AutocompleteOne
from promotions.admin import shown
from promotions.admin.forms import LocalTimeField
from promotions.coupons import rules, selectors
from promotions.coupons.models import CouponBook
from promotions.coupons.services import books
from promotions.models import Promotion

_FIELD_OF = {"promotion_id": "promotion", "expiration_date": "ends"}
_SERVICE_OF = {"promotion": "promotion_id", "ends": "expires_at"}


def _limit(label: str, words: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=rules.MAX_LIMIT,
        widget=AmountInput,
        help_text=words,
    )


class BookForm(forms.ModelForm):
    """A book, new or old. Saving happens while it is checked, in the request's transaction."""

    promotion = forms.ModelChoiceField(
        Promotion.objects.all(),
        required=False,
        widget=AutocompleteOne(CouponBook._meta.get_field("promotion"), admin.site),
        help_text="Redeeming a code then grants its discount too.",
    )
    ends = LocalTimeField(
        label="Ends (UTC)",
        required=False,
        help_text="From then on its open coupons are expired; once passed it cannot move. Empty: "
        "never. The time may bring its offset, as 00:00+02:00.",
    )
    max_assignments_per_user = _limit(
        "Coupons a person", "How many of the book one person may be given; empty for any number."
    )
    max_redemptions_per_user = _limit(
        "Uses a person",
        "Over the whole book; empty in a new one: once where its codes have many uses.",
    )
    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = CouponBook
        fields = (
            *("name", "description", "requires_assignment", "allow_multi_redemption"),
            *("code_pattern", "is_active"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            book = self.instance
            ends = book.expires_at
            known = {
                "promotion": book.promotion_id,
                "ends": ends and ends.astimezone(UTC).replace(tzinfo=None),
                "max_assignments_per_user": book.max_assignments_per_user,
                "max_redemptions_per_user": book.max_redemptions_per_user,
                "seen_version": book.version,
            }
            self.initial.update(known)

    def clean_ends(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["ends"]
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at

    def _post_clean(self) -> None:
        """In the place of the model's own checks: the service is the one judge."""
        if self.errors:
            return
        try:
            with transaction.atomic():
                self.instance = self._write()
        except VersionConflict as conflict:
            self.add_error(None, _told(self.instance.pk, conflict))
        except DomainError as refusal:
            for error in refusal.errors or [{"pointer": "/", "detail": refusal.detail}]:
                name = error["pointer"].strip("/")
                name = _FIELD_OF.get(name, name)
                self.add_error(name if name in self.fields else None, error["detail"])

    def _write(self) -> CouponBook:
        if not self.instance.pk:
            given = self._values(set(self.fields) - {"seen_version"})
            if given["max_redemptions_per_user"] is None:
                del given["max_redemptions_per_user"]  # the service knows the usual one
            return books.create_book(**given)
        return books.update_book(
            self.instance.pk,
            changes=self._values(set(self.changed_data) - {"seen_version"}),
            expected_version=self.cleaned_data["seen_version"] or 0,
        )

    def _values(self, names: set[str]) -> dict[str, Any]:
        """The named fields as the service calls them."""
        found = {_SERVICE_OF.get(name, name): self.cleaned_data[name] for name in names}
        if "promotion_id" in found:
            found["promotion_id"] = found["promotion_id"] and found["promotion_id"].pk
        return found


def _told(book_id: int, conflict: VersionConflict) -> list[str]:
    """Who changed it meanwhile, and what."""
    missed = max(1, conflict.params["present"] - conflict.params["expected"])
    lines = ["Somebody else saved this book meanwhile. Open it again to edit what is there."]
    edits = selectors.history_of_book(book_id).filter(action="book.update")
    for change in shown.changes(edits, min(missed, 10), "book."):
        values = "; ".join(f"{name}: {old} -> {new}" for name, old, new in change.values)
        lines.append(f"{change.who}, {change.at:%H:%M} UTC, {change.action}: {values}")
    return lines
