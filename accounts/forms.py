"""Forms: log in, and one user."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm as PlainAuthenticationForm
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import pii
from accounts.models import User
from accounts.services import users
from promopulse.lib import limits
from promopulse.lib.errors import REASONS

MAX_PASSWORD = 128


class _Limited:
    """A log-in form that is limited like the API's route, together with it."""

    request: HttpRequest | None
    cleaned_data: dict[str, Any]

    def clean(self) -> dict[str, Any]:
        account = pii.email_index(self.cleaned_data.get("username") or "").hex()
        address = limits.address_of(self.request) if self.request else "unknown"
        for rate, who in (("login_address", (address,)), ("login", (address, account))):
            verdict = limits.hit(rate, *who)
            if verdict is not None and not verdict.allowed:
                refusal = verdict.refusal()
                raise forms.ValidationError(refusal.detail, "rate_limited", refusal.params)
        cleaned: dict[str, Any] = super().clean()  # type: ignore[misc]
        return cleaned


class LoginForm(_Limited, AuthenticationForm):
    """The admin's."""


class PageLoginForm(_Limited, PlainAuthenticationForm):
    """That of the pages: for customers too, in the API's words."""

    error_messages = {"invalid_login": REASONS["invalid_credentials"].sentence}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail"
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True, "maxlength": 254}
        )


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """One's own password in the admin: every token dies, as when it is changed through the API."""

    user: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].validators.append(MaxLengthValidator(MAX_PASSWORD))

    def save(self, commit: bool = True) -> User:
        user: User = users.update_user(self.user.pk, password=self.cleaned_data["new_password1"])
        self.user = user  # the session goes on with the new password's mark
        return user


class UserForm(forms.ModelForm):
    """One user; a password is typed anew or left as it is."""

    new_password = forms.CharField(
        required=False,
        min_length=8,
        max_length=MAX_PASSWORD,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="8 to 128 characters. Setting one ends every session of the user.",
    )

    class Meta:
        model = User
        fields = ("name", "email", "phone", "role", "source_id", "is_active", "may_reveal")
        widgets = {
            "email": UnfoldAdminEmailInputWidget(),
            "phone": UnfoldAdminTextInputWidget(),
        }

    def clean_phone(self) -> str | None:
        phone: str | None = self.cleaned_data["phone"]
        fits = phone and len(phone) <= pii.MAX_PHONE and pii.PHONE.fullmatch(phone)
        if phone and not fits and "phone" in self.changed_data:
            raise forms.ValidationError("Digits and what people write between them.")
        return phone

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        email = cleaned.get("email")
        if not email and not cleaned.get("source_id"):
            self.add_error("email", "A user needs an e-mail or a source_id.")
        namesake = User.objects.by_email(email) if email else None
        if namesake is not None and namesake.pk != self.instance.pk:
            self.add_error("email", "A user with this e-mail exists already.")
        return cleaned


class KnownUserForm(UserForm):
    """A user who exists: what is personal is not shown; it is typed anew or left as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, masked in (
            ("email", pii.mask_email(self.instance.email)),
            ("phone", pii.mask_phone(self.instance.phone)),
        ):
            if name in self.fields:
                self.initial[name] = ""
                self.fields[name].help_text = (
                    f"Now {masked}. Empty leaves it as it is." if masked else "None is known."
                )

    def clean_email(self) -> str | None:
        """What is typed, or what is there."""
        email: str | None = self.cleaned_data["email"] or self.instance.email
        return email

    def clean_phone(self) -> str | None:
        return super().clean_phone() or self.instance.phone
