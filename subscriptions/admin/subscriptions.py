"""The list of opt-ins."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path

from accounts.models import User
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.lib.admin import ReadOnlyAdmin, whole_id
from subscriptions.admin.switching import MOST_AT_ONCE, URL_NAME, SwitchPage, url
from subscriptions.models import Subscription


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("id", "user_id", "promotion", "is_active", "subscribed_at", "deactivated_at")
    empty_words = "People subscribe through the API; an import brings those of another system."
    export_columns = ("id", "user_id", "promotion_id", *list_display[3:])
    list_select_related = ("promotion",)
    list_filter = ("is_active",)
    ordering = ("-id",)
    sortable_by = ("id",)
    search_fields = ("id",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "The id of a user or promotion, or a user's whole e-mail address."
    actions = ("deactivate", "reactivate")

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
        number = whole_id(words)
        if number is None:
            return queryset.none(), False
        return queryset.filter(Q(user_id=number) | Q(promotion_id=number)), False

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return reach_of(request.user, Permission.SUBSCRIBE) is Reach.ALL

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(SwitchPage(self))
        return [path("switch/<slug:name>/", view, name=URL_NAME), *super().get_urls()]

    @admin.action(description="Deactivate...", permissions=["switch"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return self._plan("deactivate", queryset)

    @admin.action(description="Reactivate...", permissions=["switch"])
    def reactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        return self._plan("reactivate", queryset)

    @staticmethod
    def _plan(name: str, queryset: QuerySet[Any]) -> HttpResponse:
        """Lead to the plan; nothing is done yet. A page has fewer rows than a plan may have."""
        ids = queryset.order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE]
        return HttpResponseRedirect(url(name, list(ids)))
