"""The one base class of every admin page, so that the theme can be dropped in one place."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin as ThemedModelAdmin
from unfold.admin import TabularInline as ThemedTabularInline

from promopulse.lib.admin import export
from promopulse.lib.admin.lists import BoundedPaginator, KeysetList
from promopulse.lib.errors import DomainError

# How a column of a filter may be asked for. No relation can be followed from one: an address could
# then ask about the rows beyond it, and spell out what is masked there letter by letter.
_ASKED_HOW = frozenset({"", "exact", "gte", "lt", "isnull", "isempty"})


def _parameter_of(offered: Any) -> str:
    """What a filter of a list is called in its address."""
    if isinstance(offered, type):
        return str(offered.parameter_name)  # type: ignore[attr-defined]
    return offered if isinstance(offered, str) else str(offered[0])


class BaseAdmin(ThemedModelAdmin):
    """50 rows a page, no delete, no search that scans; a service's refusal becomes a message."""

    list_per_page = 50
    list_max_show_all = 0
    # Columns of "Export this filter": names of model fields or of this class's methods.
    export_columns: tuple[str, ...] = ()
    # What an empty list says: why it is empty, and what to do next.
    empty_words = "Nothing here yet."
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # counting each choice would read the table

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """A list is filtered by what it offers. Django lets any column of the model be named in
        the address: a password's hash could be read letter by letter, a column without an index
        makes the database read the table."""
        assert request is not None
        names = {_parameter_of(offered) for offered in self.get_list_filter(request)}
        name, _, how = lookup.partition("__")
        return name in names and how in _ASKED_HOW

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()
        if not self.export_columns:
            return urls
        view = self.admin_site.admin_view(export.View(self))
        return [path("export/", view, name=export.url_name(self.model)), *urls]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self.export_columns:
            context["export_form"] = export.url(self.model, request.GET.urlencode())
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"show_save_and_add_another": False} | (extra_context or {})
        try:
            response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        except DomainError as refusal:  # its transaction is rolled back
            self.message_user(request, refusal.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """A new row leads to its page: what comes next is done there."""
        if not self.has_view_or_change_permission(request, obj):
            response: HttpResponse = super().response_post_save_add(request, obj)
            return response
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(page, args=[obj.pk]))

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the page of one object shows beside its fields; called for who may see it."""
        return {}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None and request.method == "POST":
            # A form that was refused has written into it what was sent.
            obj = self.get_object(request, str(obj.pk)) or obj
        if obj is not None:
            context |= self.page_context(request, obj)
        response: HttpResponse = super().render_change_form(
            request, context, add, change, form_url, obj
        )
        return response


class ReadOnlyAdmin(BaseAdmin):
    """Facts: nobody adds, changes or deletes them by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BaseInline(ThemedTabularInline):
    extra = 0
