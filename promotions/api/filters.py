"""Which promotions a list shows, and in which order."""

from typing import Any

from django_filters import CharFilter, ChoiceFilter

from promopulse.lib.filters import Filters
from promotions import rules, selectors
from promotions.states import EffectiveStatus, Status

ORDERS = [
    sign + name for name in ("id", "name", "start_at", "end_at", "created_at") for sign in ("", "-")
]


class PromotionFilters(Filters):
    """Every order ends in the id."""

    status = ChoiceFilter(choices=Status.choices)
    effective_status = ChoiceFilter(
        choices=EffectiveStatus.choices,
        method="effectively",
        help_text="As it is at the time of the request.",
    )
    search = CharFilter(
        max_length=rules.MAX_NAME,
        method="named",
        help_text="In the name, in any letter case; one or two characters match the start of a "
        "word, more match anywhere.",
    )
    ordering = ChoiceFilter(
        choices=[(order, order) for order in ORDERS], method="ordered", help_text="Default: -id."
    )

    def effectively(self, promotions: Any, _name: str, status: str) -> Any:
        return promotions.effectively(status, self.view.at)

    def named(self, promotions: Any, _name: str, words: str) -> Any:
        return promotions.filter(selectors.matching_name(words))

    def ordered(self, promotions: Any, _name: str, order: str) -> Any:
        return promotions.order_by(order, "-id" if order.startswith("-") else "id")
