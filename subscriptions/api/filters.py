"""Whose subscriptions a list shows: exactly one of the two ids."""

from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError

from promopulse.lib.filters import Filters, FlagFilter, IdFilter


class SubscriptionFilters(Filters):
    user_id = IdFilter(method="of_user", help_text="Subscriptions of this user.")
    promotion_id = IdFilter(help_text="Subscriptions to this promotion.")
    is_active = FlagFilter(help_text="Only active or inactive ones.")

    def filter_queryset(self, queryset: Any) -> Any:
        given = self.form.cleaned_data
        if (given["user_id"] is None) == (given["promotion_id"] is None):
            words = "Exactly one of user_id and promotion_id is expected."
            error = ErrorDetail(words, code="exactly_one")
            raise ValidationError({"user_id": [error], "promotion_id": [error]})
        return super().filter_queryset(queryset)

    def of_user(self, subscriptions: Any, _name: str, user_id: int) -> Any:
        self.view.must_be_own(user_id)
        return subscriptions.filter(user_id=user_id)
