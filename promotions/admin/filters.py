"""How the list of promotions is narrowed down."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from promotions import figures
from promotions.admin import shown
from promotions.models import PromotionQuerySet
from promotions.states import EffectiveStatus


class EffectiveStatusFilter(admin.SimpleListFilter):
    title = "effective status"
    parameter_name = "effective_status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, shown.NAMES[status]) for status in EffectiveStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted not in EffectiveStatus.values:
            return queryset
        assert isinstance(queryset, PromotionQuerySet)
        return queryset.effectively(wanted, Now())


class NumberFilter(admin.SimpleListFilter):
    """Some numbers to choose from, each with its words; another one is no filter."""

    choices_offered: ClassVar[tuple[tuple[str, str], ...]]

    def condition(self, number: int) -> Q:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return self.choices_offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted is None or wanted not in dict(self.choices_offered):
            return queryset
        return queryset.filter(self.condition(int(wanted)))


class EndsWithinFilter(NumberFilter):
    title = "ends within"
    parameter_name = "ends"
    choices_offered = (("24", "24 hours"), ("168", "7 days"), ("720", "30 days"))

    def condition(self, number: int) -> Q:
        return figures.ending_within(number)


class StartsWithinFilter(NumberFilter):
    title = "starts within"
    parameter_name = "starts"
    choices_offered = (("48", "48 hours"), ("168", "7 days"), ("720", "30 days"))

    def condition(self, number: int) -> Q:
        return figures.starting_within(number)


class BudgetAboveFilter(NumberFilter):
    title = "budget used"
    parameter_name = "budget"
    choices_offered = (("50", "50 % or more"), ("80", "80 % or more"), ("100", "All of it"))

    def condition(self, number: int) -> Q:
        return figures.spent_above(number)
