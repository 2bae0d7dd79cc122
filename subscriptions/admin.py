"""Subscriptions in the admin: facts to look up, and the one thing staff may do to them."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.principals import actor_of, reach_of
from accounts.roles import Permission, Reach
from promopulse.lib import context
from promopulse.lib.admin import ReadOnlyAdmin
from promopulse.lib.errors import DomainError
from promopulse.lib.fields import MAX_ID
from subscriptions import services
from subscriptions.models import Subscription


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("id", "user_id", "promotion", "is_active", "subscribed_at", "deactivated_at")
    list_select_related = ("promotion",)
    list_filter = ("is_active",)
    ordering = ("-id",)
    search_fields = ("id",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "The id of a user or promotion, or a user's whole e-mail address."
    actions = ("deactivate",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exact matches only: every look-up is an index look-up."""
        words = search_term.strip()
        if not words:
            return queryset, False
        if "@" in words:
            user = User.objects.by_email(words)
            return (queryset.filter(user=user) if user else queryset.none()), False
        if words.isascii() and words.isdigit() and int(words) <= MAX_ID:
            return queryset.filter(Q(user_id=words) | Q(promotion_id=words)), False
        return queryset.none(), False

    def has_deactivate_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user, Permission.SUBSCRIBE) is Reach.ALL

    @admin.action(description="Deactivate", permissions=["deactivate"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        context.actor.set(actor_of(request.user, "admin"))
        done = refused = 0
        for pk in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                services.deactivate(pk)
                done += 1
            except DomainError:
                refused += 1
        if done:
            self.message_user(request, f"Deactivated: {done}.", messages.SUCCESS)
        if refused:
            self.message_user(request, f"Inactive already: {refused}.", messages.WARNING)
