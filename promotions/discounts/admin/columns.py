"""What the lists of grants share."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from promopulse.lib import money
from promopulse.lib.admin import ExactIdSearch, ReadOnlyAdmin
from promopulse.lib.admin import shown as looks
from promotions.discounts.models import Granted, LimitedBy

LIMITS = {
    LimitedBy.NOTHING: "nothing",
    LimitedBy.CAP: "the most one redemption gives",
    LimitedBy.VALUE: "the value itself",
    LimitedBy.BUDGET: "what the budget had left",
}


def amount(value: Any, currency: str) -> str:
    return f"{money.money_text(value, currency)} {currency}"


class GrantedAdmin(ExactIdSearch, ReadOnlyAdmin):
    """Grants to look up by their id, their promotion's or their user's."""

    list_select_related = ("promotion",)
    ordering = ("-id",)
    sortable_by = ()
    exact_ids: tuple[str, ...] = ("id", "promotion_id", "user_id")
    search_help_text = "An id: its own, the promotion's or the user's"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("promotion__discount")

    @admin.display(description="promotion")
    def promotion_link(self, grant: Granted) -> SafeString:
        url = reverse("admin:promotions_promotion_change", args=[grant.promotion_id])
        return format_html('<a class="pp-link" href="{}">{}</a>', url, grant.promotion.name)

    @admin.display(description="user")
    def user_link(self, grant: Granted) -> SafeString:
        url = reverse("admin:accounts_user_change", args=[grant.user_id])
        return format_html('<a class="pp-link" href="{}">{}</a>', url, grant.user_id)

    @admin.display(description="amount")
    def amount_shown(self, grant: Granted) -> str:
        return amount(grant.amount, grant.currency)

    @admin.display(description="how it came about")
    def trace(self, grant: Granted) -> SafeString:
        """From the cart to the amount, step by step."""
        discount = grant.promotion.discount
        share = discount.discount_percentage
        given = amount(discount.discount_flat, grant.currency) if share is None else f"{share} %"
        cap = discount.max_discount_amount
        return looks.facts(
            [
                ("Cart", amount(grant.cart_value, grant.currency)),
                ("Delivery", amount(grant.delivery_charge, grant.currency)),
                ("Least cart", amount(discount.min_cart_value, grant.currency)),
                ("Discounted", amount(grant.original_amount, grant.currency)),
                ("Gives", given),
                ("At most", "-" if cap is None else amount(cap, grant.currency)),
                ("Wanted", amount(grant.wanted, grant.currency)),
                ("Limited by", LIMITS[LimitedBy(grant.limited_by)]),
                ("Given", amount(grant.amount, grant.currency)),
                ("To pay", amount(grant.final_amount, grant.currency)),
                ("Day used", f"{grant.local_day} ({grant.promotion.timezone})"),
            ]
        )
