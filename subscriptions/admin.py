"""Subscriptions in the admin: facts to look up, and what staff may do to them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import extensions as people
from accounts.models import User
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.lib.admin import ReadOnlyAdmin, whole_id
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.shown import Tone
from promopulse.lib.errors import DomainError
from promopulse.lib.pagination import COUNTED_TO
from promotions.admin.extensions import Panel, panels
from promotions.models import Promotion
from subscriptions import services
from subscriptions.models import Subscription

SHOWN = 20


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

    @admin.action(description="Deactivate", permissions=["switch"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._switch(request, queryset, services.deactivate)

    @admin.action(description="Reactivate", permissions=["switch"])
    def reactivate(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._switch(request, queryset, services.reactivate)

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[Any], act: Callable[[int], Subscription]
    ) -> None:
        """Each for itself; what was refused is told by its reason."""
        refused: Counter[str] = Counter()
        done = 0
        for pk in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                act(pk)
                done += 1
            except DomainError as refusal:
                refused[refusal.detail] += 1
        if done:
            self.message_user(request, f"Done: {done}.", messages.SUCCESS)
        for words, count in sorted(refused.items()):
            self.message_user(request, f"{count} refused: {words}", messages.WARNING)


def subscribers(request: HttpRequest, promotion: Promotion) -> SafeString:
    """How many have opted in to a promotion, and where they are listed."""
    active = Subscription.objects.filter(promotion=promotion, is_active=True)
    found = active.order_by()[: COUNTED_TO + 1].count()
    return format_html(
        '{} <p class="pp-moves pp-after"><a class="pp-link" href="{}?q={}">All of them</a></p>',
        f"{COUNTED_TO:,} or more" if found > COUNTED_TO else looks.plural(found, "active opt-in"),
        reverse("admin:subscriptions_subscription_changelist"),
        promotion.pk,
    )


def of_a_person(request: HttpRequest, user: User) -> SafeString | str:
    """The newest opt-ins of a person."""
    found = Subscription.objects.filter(user=user).select_related("promotion").order_by("-id")
    return looks.table(
        ("Promotion", "Opted in (UTC)", "Now"),
        [
            (
                looks.link("admin:promotions_promotion_change", one.promotion_id, one.promotion),
                looks.moment(one.subscribed_at),
                looks.badge("check", "Active", Tone.GOOD)
                if one.is_active
                else looks.badge("stop", "Left", Tone.CALM),
            )
            for one in found[:SHOWN]
        ],
    )


panels.append(Panel("audience", "Subscribers", subscribers, place=30))
people.panels.append(Panel("subscriptions", f"The newest {SHOWN}", of_a_person))
