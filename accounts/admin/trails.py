"""What happened, to read: audit entries, stored answers, refresh tokens. No secret is shown."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import selectors
from accounts.models import AuditEntry, IdempotencyRecord, RefreshToken
from promopulse.lib.admin import ExactIdSearch, ReadOnlyAdmin, one_of
from promopulse.lib.context import VIAS

_ABOUT = re.compile(r"([a-z]+):([0-9]{1,18})")
_BY = re.compile(r"by ((?:user|key):[0-9]{1,18})")
_VIAS = {via: via.capitalize() for via in VIAS} | {"api": "API"}
_ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    empty_words = "Every change leaves an entry here."
    export_columns = ("id", "at", "actor", "via", "action", "object", "reason", "request_id")
    list_display = ("id", "at", "actor", "via", "action", "object", "request_id")
    fields = ("at", "actor", "via", "action", "object", "before", "after", "reason", "request_id")
    list_filter = (one_of("via", _VIAS),)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "promotion:7, by user:2, by key:3, pool.update, or a request id: whole."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        words = search_term.strip()
        if not words:
            return queryset, False
        exact: dict[str, Any] = {"request_id": words}
        if match := _ABOUT.fullmatch(words):
            exact = {"object_type": match[1], "object_id": int(match[2])}
        elif match := _BY.fullmatch(words):
            exact = {"actor": match[1]}
        elif _ACTION.fullmatch(words):
            exact = {"action": words}
        return queryset & selectors.audit_entries(**exact), False

    @admin.display(description="actor")
    def actor(self, entry: AuditEntry) -> str:
        if entry.actor_user_id:
            return f"user {entry.actor_user_id}"
        return f"key {entry.actor_api_key_id}" if entry.actor_api_key_id else "system"

    @admin.display(description="object")
    def object(self, entry: AuditEntry) -> str:
        return f"{entry.object_type} {entry.object_id}"


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    list_display = ("id", "client", "operation", "key", "status", "created_at")
    fields = ("client", "operation", "key", "status", "content_type", "created_at")
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("client",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "Whose: user:7 or key:3."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[IdempotencyRecord], search_term: str
    ) -> tuple[QuerySet[IdempotencyRecord], bool]:
        words = search_term.strip()
        return (queryset.filter(client=words) if words else queryset), False


@admin.register(RefreshToken)
class RefreshTokenAdmin(ExactIdSearch, ReadOnlyAdmin):
    list_display = ("id", "user_id", "family", "created_at", "expires_at", "used_at", "revoked_at")
    fields = ("user_id", "family", "created_at", "expires_at", "used_at", "revoked_at")
    ordering = ("-id",)
    sortable_by = ()
    exact_ids = ("id", "user_id")
    search_help_text = "The id of a token or a user."
