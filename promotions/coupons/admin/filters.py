"""How lists of books and coupons are narrowed down, through their indexes and tallies."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from promopulse.lib.admin import whole_id
from promotions.coupons import figures, selectors
from promotions.coupons.admin.shown import NAMES
from promotions.coupons.models import CouponBook
from promotions.coupons.services.finding import clock
from promotions.coupons.states import State

BOOKS_OFFERED = 30


class LeftFilter(admin.SimpleListFilter):
    title = "left"
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("low", f"Few ({figures.LOW} % or less)"), ("none", "None")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "low":
                return figures.low_on_codes(queryset)
            case "none":
                return figures.low_on_codes(queryset, 0)
        return queryset


class EndedFilter(admin.SimpleListFilter):
    title = "end"
    parameter_name = "end"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "To come, or never"), ("past", "Past")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "open":
                return queryset.exclude(expires_at__lte=clock())
            case "past":
                return queryset.filter(expires_at__lte=clock())
        return queryset


def chosen_book(request: HttpRequest) -> CouponBook | None:
    """The book that a list is narrowed to; looked up once a request."""
    if not hasattr(request, "_book_of_list"):
        number = whole_id(request.GET.get("book", ""))
        found = CouponBook.objects.filter(pk=number).first() if number is not None else None
        request._book_of_list = found  # type: ignore[attr-defined]
    return request._book_of_list  # type: ignore[attr-defined]


class BookFilter(admin.SimpleListFilter):
    """One book; the newest are offered, and the one that an address names."""

    title = "book"
    parameter_name = "book"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = list(selectors.books().values_list("pk", "name")[:BOOKS_OFFERED])
        here = chosen_book(request)
        if here is not None and here.pk not in dict(newest):
            newest.insert(0, (here.pk, here.name))
        return [(str(pk), name) for pk, name in newest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        here = chosen_book(request)
        return queryset.none() if here is None else queryset.filter(book=here)


class StateFilter(admin.SimpleListFilter):
    """The state as it is now, of one book's coupons: over all books it would read the table."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if chosen_book(request) is None:
            return []
        return [(state.value, NAMES[state]) for state in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        here, wanted = chosen_book(request), self.value()
        if here is None or wanted not in State.values:
            return queryset
        return queryset & selectors.coupons_of(here, at=clock(), state=wanted)
