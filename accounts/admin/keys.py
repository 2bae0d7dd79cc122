"""API keys in the admin: made, shown once, revoked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts import keys
from accounts.models import ApiKey
from accounts.roles import Scope
from promopulse.lib.admin import BaseAdmin
from promopulse.lib.errors import DomainError


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes")


@admin.register(ApiKey)
class ApiKeyAdmin(BaseAdmin):
    form = ApiKeyForm
    list_display = (
        "id",
        "name",
        "prefix",
        "scope_list",
        "created_at",
        "last_used_at",
        "revoked_at",
    )
    list_display_links = ("id", "name")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    ordering = ("-id",)
    sortable_by = ("id",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "scopes")
        return (
            "name",
            "prefix",
            "scope_list",
            "created_by_id",
            "created_at",
            "last_used_at",
            "revoked_at",
        )

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        key, text = keys.create_key(**form.cleaned_data)
        obj.__dict__.update(key.__dict__)
        self.message_user(
            request, f"Copy the key now, it is not shown again: {text}", messages.WARNING
        )

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = 0
        for key_id in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                keys.revoke_key(key_id)
                revoked += 1
            except DomainError:
                continue  # revoked before: what was asked for is so
        self.message_user(request, f"Revoked: {revoked}.", messages.SUCCESS)

    @admin.display(description="scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)
