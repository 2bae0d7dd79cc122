"""Users in the admin. Every write is a service's; e-mail and phone are masked for everybody."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import pii
from accounts.admin import extensions
from accounts.admin.revealing import RevealPage
from accounts.forms import KnownUserForm, UserForm
from accounts.models import User
from accounts.principals import caller_of
from accounts.roles import REVEAL, Role
from accounts.services import users
from promopulse.lib.admin import BaseAdmin, panels, whole_id
from promopulse.lib.admin.shown import Tone, badge

TABS = ("Overview", "Subscriptions", "Redemptions", "Coupons", "Events")

_STAMPS = ("created_at", "last_login", "erased_at")
_READ = (
    *("name", "masked_email", "masked_phone", "role", "source_id", "is_active", "may_reveal"),
    *_STAMPS,
)
_LOOKS = {
    Role.CUSTOMER: Tone.CALM,
    Role.VIEWER: Tone.CALM,
    Role.MARKETER: Tone.WAIT,
    Role.OPS: Tone.WAIT,
    Role.ADMIN: Tone.WARN,
}


@admin.register(User)
class UserAdmin(BaseAdmin):
    form = UserForm
    list_display = ("id", "name", "masked_email", "badge", "is_active", "source_id", "created_at")
    empty_words = "People register themselves, are imported, or are added here."
    export_columns = ("id", "masked_email", "role", "is_active", "source_id", "created_at")
    list_display_links = ("id", "name")
    list_filter = ("role", "is_active")
    ordering = ("-id",)
    sortable_by = ("id",)
    search_fields = ("id",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "A whole e-mail address, an id, or how a name begins."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Three look-ups, each through an index."""
        words = search_term.strip()
        if not words:
            return queryset, False
        if "@" in words:
            return queryset.filter(email_bidx=pii.email_index(words)), False
        found = Q(name__istartswith=words)
        if (number := whole_id(words)) is not None:
            found |= Q(pk=number)
        return queryset.filter(found), False

    # Which fields

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if not self._is_admin(request) or (obj is not None and obj.erased_at is not None):
            return _READ
        fields = (
            *("name", "email", "phone", "role", "source_id", "is_active", "may_reveal"),
            "new_password",
        )
        return (*fields, *_STAMPS) if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return _STAMPS if self._is_admin(request) else _READ

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kw: Any
    ) -> Any:
        form = UserForm if obj is None else KnownUserForm
        return super().get_form(request, obj, change, **kw | {"form": form})

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        erased = obj is not None and obj.erased_at is not None
        return not erased and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        values = form.cleaned_data
        password = {"password": values["new_password"]} if values["new_password"] else {}
        if change:
            names = set(form.changed_data) - {"new_password"}
            given = {name: values[name] for name in names} | password
            saved = users.update_user(obj.pk, by=caller_of(request.user), **given)
        else:
            given = {name: values[name] for name in UserForm.Meta.fields} | password
            saved = users.create_user(by=caller_of(request.user), **given)
        obj.__dict__.update(saved.__dict__)

    # The page

    def get_urls(self) -> list[Any]:
        reveal = self.admin_site.admin_view(RevealPage(self))
        return [path("<int:pk>/reveal/", reveal, name="accounts_user_reveal"), *super().get_urls()]

    def page_context(self, request: HttpRequest, obj: User) -> dict[str, Any]:
        page = reverse("admin:accounts_user_change", args=[obj.pk])
        return {
            **panels.context(request, obj, page=page, tabs=TABS, panels=extensions.panels),
            "about": self.badge(obj),
            "nothing": "There is nothing here.",
            "moves": self._moves(request, obj),
        }

    def _moves(self, request: HttpRequest, user: User) -> list[tuple[str, str]]:
        found = [one for more in extensions.moves for one in more(request, user)]
        if request.user.has_perm(REVEAL) and user.erased_at is None:
            found.insert(0, ("Reveal", reverse("admin:accounts_user_reveal", args=[user.pk])))
        return found

    # How it is shown

    @admin.display(description="role", ordering="role")
    def badge(self, user: User) -> SafeString:
        role = Role(user.role)
        said = badge("person", role.label, _LOOKS[role])
        if user.erased_at is not None:
            return format_html("{} {}", said, badge("cross", "Erased", Tone.CALM))
        return said if user.is_active else format_html("{} {}", said, _CLOSED)

    @admin.display(description="e-mail")
    def masked_email(self, user: User) -> str | None:
        return pii.mask_email(user.email)

    @admin.display(description="phone")
    def masked_phone(self, user: User) -> str | None:
        return pii.mask_phone(user.phone)

    def choice_label(self, user: User) -> str:
        words = [user.name, pii.mask_email(user.email), f"user {user.pk}"]
        return ", ".join(filter(None, words))

    @staticmethod
    def _is_admin(request: HttpRequest) -> bool:
        return getattr(request.user, "role", None) == Role.ADMIN


_CLOSED = badge("lock", "Closed", Tone.WARN)
