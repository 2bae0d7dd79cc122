"""Lists of large tables: bounded counts, look-ups through an index."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

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


# Of an address: the rows that came before the one with this id.
OLDER = "older"


class KeysetList(ChangeList):
    """A list by arrival is read on from its last row, however far: pages by number end where the
    bounded count does, and cost more the further they are.
    """

    @property
    def is_by_arrival(self) -> bool:
        return tuple(self.model_admin.ordering or ()) == ("-id",) and ORDER_VAR not in self.params

    def get_ordering_field(self, field_name: Any) -> Any:
        """None for a column that is not offered as an order: Django would take any in the address,
        and sort the whole table by it."""
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        found.pop(OLDER, None)
        return found

    def get_queryset(self, request: HttpRequest, **more: Any) -> Any:
        rows = super().get_queryset(request, **more)
        before = whole_id(self.params.get(OLDER, ""))
        return rows if before is None or not self.is_by_arrival else rows.filter(pk__lt=before)

    def older_url(self) -> str:
        """The rows after those of this page; nothing where there are none."""
        rows = list(self.result_list)
        if not self.is_by_arrival or len(rows) < self.list_per_page or not self._has_more():
            return ""
        return self.get_query_string({OLDER: rows[-1].pk}, [PAGE_VAR])

    def _has_more(self) -> bool:
        return self.page_num < self.paginator.num_pages or getattr(self.paginator, "is_bounded", 0)

    def newest_url(self) -> str:
        if OLDER not in self.params:
            return ""
        return self.get_query_string({}, [OLDER, PAGE_VAR])


def whole_id(words: str) -> int | None:
    """What was typed, if it can be an id."""
    if not (words.isascii() and words.isdigit() and len(words) < 20):
        return None
    return int(words) if int(words) <= MAX_ID else None


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


class OneOf(admin.SimpleListFilter):
    """A filter by a column's known values, in people's words. Django would read the whole table to
    find those there are, at every page.
    """

    values: ClassVar[Mapping[str, str]] = {}

    def known(self) -> Mapping[str, str]:
        """The words for each value."""
        return self.values

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.known().items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted is None or self.parameter_name is None:
            return queryset
        return queryset.filter(**{self.parameter_name: wanted})


def one_of(column: str, values: Mapping[str, str]) -> type[OneOf]:
    """The filter of a column whose values are these, each with the words for it."""
    named = {"parameter_name": column, "title": column.replace("_", " ")}
    return type(f"OneOf{column.title()}", (OneOf,), named | {"values": values})
