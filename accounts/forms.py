"""Forms of the admin: log in, and one user."""

from typing import Any

from django import forms
from unfold.forms import AuthenticationForm
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import pii
from accounts.models import User
from promopulse.lib import limits


class LoginForm(AuthenticationForm):
    """The admin's log-in form, limited like the API's."""

    def clean(self) -> dict[str, Any]:
        account = pii.email_index(self.cleaned_data.get("username") or "").hex()
        address = limits.address_of(self.request) if self.request else "unknown"
        verdict = limits.hit("login", address, account)
        if verdict is not None and not verdict.allowed:
            raise forms.ValidationError(verdict.refusal().detail, code="rate_limited")
        cleaned: dict[str, Any] = super().clean()
        return cleaned


class UserForm(forms.ModelForm):
    """One user; a password is typed anew or left as it is."""

    new_password = forms.CharField(
        required=False,
        min_length=8,
        max_length=128,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="8 to 128 characters. Setting one ends every session of the user.",
    )

    class Meta:
        model = User
        fields = ("name", "email", "phone", "role", "source_id", "is_active")
        widgets = {
            "email": UnfoldAdminEmailInputWidget(),
            "phone": UnfoldAdminTextInputWidget(),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        email = cleaned.get("email")
        if not email and not cleaned.get("source_id"):
            self.add_error("email", "A user needs an e-mail or a source_id.")
        namesake = User.objects.by_email(email) if email else None
        if namesake is not None and namesake.pk != self.instance.pk:
            self.add_error("email", "A user with this e-mail exists already.")
        return cleaned
