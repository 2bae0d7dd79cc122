"""Pools in the admin: who is in, page by page."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import path, reverse

from accounts import pii
from accounts.admin.extensions import pool_moves
from accounts.admin.pool_members import MembersPage, may_write
from accounts.models import Pool, PoolMembership
from accounts.services import pools
from promopulse.lib.admin import BaseAdmin, BaseInline, whole_id
from promopulse.lib.widgets import AutocompleteOne
from promopulse.lib.words import plural


class MembershipInline(BaseInline):
    """Users join and leave; a membership is not rewritten."""

    model = PoolMembership
    fields = ("user", "user_name", "masked_email", "added_at")
    readonly_fields = ("user_name", "masked_email", "added_at")
    # The theme's markup of a row that can be removed is heavy: more of them pass the page's limit.
    per_page = 12
    hide_title = True  # the first column says who it is
    verbose_name = "user"
    verbose_name_plural = "users"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PoolMembership]:
        return super().get_queryset(request).select_related("user").order_by("user_id")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = AutocompleteOne(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="name")
    def user_name(self, membership: PoolMembership) -> str:
        return membership.user.name if membership.user_id else ""

    @admin.display(description="e-mail")
    def masked_email(self, membership: PoolMembership) -> str | None:
        return pii.mask_email(membership.user.email) if membership.user_id else ""


@admin.register(Pool)
class PoolAdmin(BaseAdmin):
    list_display = ("id", "name", "people", "created_at")
    list_display_links = ("id", "name")
    fields = ("name", "description", "people", "created_at")
    readonly_fields = ("people", "created_at")
    ordering = ("-id",)
    sortable_by = ("id", "name")
    search_fields = ("name",)  # shows the box; `get_search_results` says what it finds
    search_help_text = "An id, or how a name begins."
    inlines = (MembershipInline,)
    change_form_template = "admin/accounts/pool/change_form.html"
    empty_words = "A pool names people, for the audience of a promotion or for coupons."

    def get_urls(self) -> list[Any]:
        members = self.admin_site.admin_view(MembersPage(self))
        return [
            path("<int:pk>/members/", members, name="accounts_pool_members"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Pool) -> dict[str, Any]:
        found = [one for more in pool_moves for one in more(request, obj)]
        if may_write(request):
            url = reverse("admin:accounts_pool_members", args=[obj.pk])
            found.insert(0, ("Paste or upload people", url))
        return {"moves": found}

    @admin.display(description="people")
    def people(self, pool: Pool) -> str:
        return f"{pool.user_count:,}"

    def choice_label(self, pool: Pool) -> str:
        return f"{pool.name}, {plural(pool.user_count, 'person', 'people')}, pool {pool.pk}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Pool], search_term: str
    ) -> tuple[QuerySet[Pool], bool]:
        words = search_term.strip()
        if not words:
            return queryset, False
        found = Q(name__startswith=words)  # the unique index serves prefixes, case kept
        if (number := whole_id(words)) is not None:
            found |= Q(pk=number)
        return queryset.filter(found), False

    def save_model(self, request: HttpRequest, obj: Pool, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in ("name", "description")}
        saved = pools.update_pool(obj.pk, **values) if change else pools.create_pool(**values)
        obj.__dict__.update(saved.__dict__)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        joining = [membership.user_id for membership in formset.save(commit=False)]
        leaving = [membership.user_id for membership in formset.deleted_objects]
        pool_id = form.instance.pk
        if leaving:
            pools.remove_users(pool_id, user_ids=leaving)
        if joining:
            pools.add_users(pool_id, user_ids=joining)
