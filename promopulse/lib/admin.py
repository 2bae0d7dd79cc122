"""The one base class of every admin page, so that the theme can be dropped in one place."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin as ThemedModelAdmin
from unfold.admin import TabularInline as ThemedTabularInline

from promopulse.lib.pagination import COUNTED_TO


class BoundedPaginator(Paginator):
    """Counts to 10,000 and no further: a count of a large table would hold the page up."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED_TO].count())


class BaseAdmin(ThemedModelAdmin):
    """50 rows a page, no delete, no search that scans."""

    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
        if not (text.isascii() and text.isdigit() and int(text[:19]) < 2**63):
            return queryset.none(), False
        found = Q()
        for name in self.exact_ids:
            found |= Q(**{name: int(text)})
        return queryset.filter(found), False


class ReadOnlyAdmin(BaseAdmin):
    """Facts: nobody adds, changes or deletes them by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BaseInline(ThemedTabularInline):
    extra = 0
