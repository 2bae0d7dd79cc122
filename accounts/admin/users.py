"""Users in the admin. Every write is a service's; e-mail and phone are in clear for admins only."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts import pii
from accounts.forms import UserForm
from accounts.models import User
from accounts.principals import caller_of
from accounts.roles import Role
from accounts.services import users
from promopulse.lib.admin import BaseAdmin, whole_id

_PLAIN = ("name", "role", "source_id", "is_active", "created_at", "last_login", "erased_at")
_STAMPS = ("created_at", "last_login", "erased_at")


@admin.register(User)
class UserAdmin(BaseAdmin):
    form = UserForm
    empty_words = "People register themselves, are imported, or are added here."
    export_columns = ("id", "masked_email", "role", "is_active", "source_id", "created_at")
    list_display = ("id", "name", "masked_email", "role", "is_active", "source_id", "created_at")
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

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if not self._is_admin(request):
            return ("masked_email", "masked_phone", *_PLAIN)
        fields = ("name", "email", "phone", "role", "source_id", "is_active", "new_password")
        return (*fields, *_STAMPS) if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return _STAMPS if self._is_admin(request) else ("masked_email", "masked_phone", *_PLAIN)

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
