"""The promotion pages of the admin."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from promopulse.lib.admin import BaseAdmin, KeysetList, whole_id
from promopulse.lib.errors import REASONS, DomainError
from promotions import services
from promotions.admin import extensions, moves, pages, shown
from promotions.admin.filters import (
    BudgetAboveFilter,
    EffectiveStatusFilter,
    EndsWithinFilter,
    StartsWithinFilter,
)
from promotions.admin.forms import PromotionForm, draft_form
from promotions.models import Promotion
from promotions.states import Status


class SaidList(KeysetList):
    """Says of all rows of a page at once what they give, and how many opted in."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)  # type: ignore[has-type]
        self.result_list = rows
        for say in extensions.sentences:
            said = say(rows)
            for promotion in rows:
                promotion.said = said.get(promotion.pk, "")
        for count in extensions.opt_ins:
            counted = count(rows)
            for promotion in rows:
                promotion.opted_in = counted.get(promotion.pk, "0")


@admin.register(Promotion)
class PromotionAdmin(BaseAdmin):
    list_display = ("id", "offer", "badge", "window", "budget_used", "open_to")
    list_display_links = ("id", "offer")
    list_filter = (
        *("status", EffectiveStatusFilter, "is_targeted"),
        *(StartsWithinFilter, EndsWithinFilter, BudgetAboveFilter),
    )
    list_select_related = ("budget",)
    empty_words = "A promotion starts as a draft that customers do not see."
    export_columns = (
        *("id", "name", "status", "start_at", "end_at", "timezone", "currency", "is_targeted"),
        *("budget_total", "budget_spent", "budget_reserved", "source_id", "created_at"),
    )
    ordering = ("-id",)
    sortable_by = ("id", "offer")
    search_fields = ("name",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "An id, your own id, or how a name begins."

    _FACTS = ("window", "audience", "currency", "source_id", "metadata", "updated_at")
    _DRAFT = (
        (None, {"fields": ("name", "description", "seen_version")}),
        ("When", {"fields": ("start_at", "end_at", "timezone")}),
        ("For whom", {"fields": ("is_targeted", "target_users", "target_pools")}),
        ("Money", {"fields": ("currency", "budget_total")}),
        ("Your own", {"fields": ("source_id", "metadata")}),
    )

    # Which fields

    def get_fieldsets(self, request: HttpRequest, obj: Promotion | None = None) -> Any:
        if obj is None:
            return self._draft()
        if self._is_editable_draft(request, obj):
            return self._draft()
        return (
            (None, {"fields": ("name", "description", "seen_version")}),
            ("Facts", {"fields": self._FACTS}),
        )

    def _draft(self) -> Any:
        parts = [(part.title, {"fields": tuple(part.fields())}) for part in extensions.form_parts]
        return (*self._DRAFT[:-1], *parts, self._DRAFT[-1])

    def get_readonly_fields(self, request: HttpRequest, obj: Promotion | None = None) -> Any:
        if obj is None:
            return ()
        return () if self._is_editable_draft(request, obj) else self._FACTS

    def get_form(
        self, request: HttpRequest, obj: Promotion | None = None, change: bool = False, **kw: Any
    ) -> Any:
        draft = obj is None or self._is_editable_draft(request, obj)
        return super().get_form(
            request, obj, change, **kw | {"form": draft_form() if draft else PromotionForm}
        )

    def _is_editable_draft(self, request: HttpRequest, promotion: Promotion) -> bool:
        return promotion.status == Status.DRAFT and self.has_change_permission(request, promotion)

    # Who may

    def has_change_permission(self, request: HttpRequest, obj: Promotion | None = None) -> bool:
        ended = obj is not None and obj.status == Status.ENDED
        return not ended and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Promotion | None = None) -> bool:
        return (
            obj is not None
            and obj.status == Status.DRAFT
            and request.user.has_perm("promotions.delete_promotion")
        )

    # Lists

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (*self.list_filter, *extensions.filters)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Promotion]:
        """With one clock for every badge of a page: the statement's."""
        return super().get_queryset(request).select_related("budget").annotate(judged_at=Now())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Promotion], search_term: str
    ) -> tuple[QuerySet[Promotion], bool]:
        """Three look-ups, each through an index."""
        words = search_term.strip()
        if not words:
            return queryset, False
        found = Q(source_id=words) | Q(name__istartswith=words)
        if (number := whole_id(words)) is not None:
            found |= Q(pk=number)
        return queryset.filter(found), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SaidList

    @admin.display(description="name", ordering="name")
    def offer(self, promotion: Promotion) -> SafeString:
        """Its name, and what it gives in plain words."""
        said = getattr(promotion, "said", "")
        if not said:
            return format_html("{}", promotion.name)
        return format_html('{}<span class="pp-hint">{}</span>', promotion.name, said)

    @admin.display(description="effective status")
    def badge(self, promotion: Promotion) -> SafeString:
        at: datetime = promotion.judged_at  # type: ignore[attr-defined]
        return shown.badge(promotion, at)

    @admin.display(description="window", ordering="start_at")
    def window(self, promotion: Promotion) -> SafeString:
        return shown.window(promotion)

    @admin.display(description="budget")
    def budget_used(self, promotion: Promotion) -> SafeString:
        return shown.budget(promotion)

    @admin.display(description="audience")
    def audience(self, promotion: Promotion) -> str:
        return shown.audience(promotion)

    @admin.display(description="audience", ordering="is_targeted")
    def open_to(self, promotion: Promotion) -> SafeString:
        """Whom it is for, and how many have opted in."""
        words = "Targeted" if promotion.is_targeted else "Everybody"
        opted_in = getattr(promotion, "opted_in", None)
        if opted_in is None:
            return format_html("{}", words)
        return format_html('{}<span class="pp-hint">{} opted in</span>', words, opted_in)

    def budget_total(self, promotion: Promotion) -> Any:
        return shown.of_budget(promotion, "total")

    def budget_spent(self, promotion: Promotion) -> Any:
        return shown.of_budget(promotion, "spent")

    def budget_reserved(self, promotion: Promotion) -> Any:
        return shown.of_budget(promotion, "reserved")

    # Moves

    def get_urls(self) -> list[Any]:
        preview = self.admin_site.admin_view(moves.MovesPage(self))
        return [
            path("move/<slug:name>/", preview, name="promotions_promotion_move"),
            *(one for more in extensions.urls for one in more(self)),
            *super().get_urls(),
        ]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if self.has_change_permission(request):
            for name, move in moves.MOVES.items():
                if not move.asks_amount:
                    actions[name] = (_preview, name, f"{move.title}...")
        return actions

    # Pages

    def page_context(self, request: HttpRequest, obj: Promotion) -> dict[str, Any]:
        buttons = [one for more in extensions.buttons for one in more(request, obj)]
        legal = moves.legal_moves(obj) if self.has_change_permission(request) else []
        return pages.context(request, obj) | {"moves": [*legal, *buttons]}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:  # something chosen was deleted at the same moment
            self.message_user(request, REASONS["version_conflict"].sentence, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form has saved it."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A draft goes with its audience and budget; that needs no permission of its own."""
        return [str(promotion) for promotion in objs], {"promotions": len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Promotion) -> None:
        services.delete_promotion(obj.pk)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except DomainError as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


def _preview(
    model_admin: PromotionAdmin, request: HttpRequest, queryset: QuerySet[Promotion]
) -> HttpResponse | None:
    """Every action leads to the preview of the move it is named after."""
    name = request.POST["action"]
    ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: moves.MOST_AT_ONCE + 1])
    if len(ids) > moves.MOST_AT_ONCE:
        words = f"Choose at most {moves.MOST_AT_ONCE} promotions at once."
        model_admin.message_user(request, words, messages.ERROR)
        return None
    return HttpResponseRedirect(moves.move_url(name, ids))
