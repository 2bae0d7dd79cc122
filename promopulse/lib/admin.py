"""The one base class of every admin page, so that the theme can be dropped in one place."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin as ThemedModelAdmin
from unfold.admin import TabularInline as ThemedTabularInline
from unfold.views import ChangeList

from promopulse.lib.errors import DomainError
from promopulse.lib.fields import MAX_ID
from promopulse.lib.pagination import COUNTED_TO


class BoundedPaginator(Paginator):
    """Counts to 10,000 and no further: a count of a large table would hold the page up."""

    template_name = "admin/pages.html"  # the theme's own would pass the bound off as the count

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED_TO].count())

    @property
    def is_bounded(self) -> bool:
        """Whether there may be more than were counted."""
        return self.count >= COUNTED_TO


class BoundedList(ChangeList):
    """The theme offers "Show all" wherever the full count differs from that of the filter; it is
    not known here, so a list without filters would offer it for nothing.
    """

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count


def whole_id(words: str) -> int | None:
    """What was typed, if it can be an id."""
    if not (words.isascii() and words.isdigit() and len(words) < 20):
        return None
    return int(words) if int(words) <= MAX_ID else None


def _parameter_of(offered: Any) -> str:
    """What a filter of a list is called in its address."""
    if isinstance(offered, type):
        return str(offered.parameter_name)  # type: ignore[attr-defined]
    return offered if isinstance(offered, str) else str(offered[0])


class BaseAdmin(ThemedModelAdmin):
    """50 rows a page, no delete, no search that scans; a service's refusal becomes a message."""

    class Media:
        css = {"all": ("promopulse/admin.css",)}

    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedList

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """A list is filtered by what it offers. Django lets any column of the model be named in
        the address: a password's hash could be read letter by letter, a column without an index
        makes the database read the table."""
        assert request is not None
        names = {_parameter_of(offered) for offered in self.get_list_filter(request)}
        return lookup.partition("__")[0] in names

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except DomainError as refusal:  # its transaction is rolled back
            self.message_user(request, refusal.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return response


class ExactIdSearch:
    """Search by whole ids through their indexes; `iexact`, Django's own way, would scan."""

    exact_ids: tuple[str, ...] = ("id",)
    search_fields = ("id",)  # shows the search box

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        if (number := whole_id(text)) is None:
            return queryset.none(), False
        found = Q()
        for name in self.exact_ids:
            found |= Q(**{name: number})
        return queryset.filter(found), False


class ReadOnlyAdmin(BaseAdmin):
    """Facts: nobody adds, changes or deletes them by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BaseInline(ThemedTabularInline):
    extra = 0
