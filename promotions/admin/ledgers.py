"""Budgets and their ledger: facts to look up by the promotion's id."""

from django.contrib import admin

from promopulse.lib import money
from promopulse.lib.admin import ExactIdSearch, ReadOnlyAdmin
from promotions.models import Budget, BudgetEntry


@admin.register(Budget)
class BudgetAdmin(ExactIdSearch, ReadOnlyAdmin):
    list_display = ("id", "promotion", "currency", "total", "reserved", "spent", "left")
    list_select_related = ("promotion",)
    fields = ("promotion", "currency", "total", "reserved", "spent", "left")
    readonly_fields = fields
    ordering = ("-id",)
    sortable_by = ()
    exact_ids = ("promotion_id",)
    search_help_text = "A promotion's id"

    @admin.display
    def currency(self, budget: Budget) -> str:
        return budget.promotion.currency

    @admin.display
    def left(self, budget: Budget) -> str:
        return money.money_text(budget.left, budget.promotion.currency)


@admin.register(BudgetEntry)
class BudgetEntryAdmin(ExactIdSearch, ReadOnlyAdmin):
    list_display = ("id", "promotion", "kind", "amount_shown", "reason", "created_at")
    list_select_related = ("budget__promotion",)
    fields = ("promotion", "kind", "amount_shown", "reason", "created_at")
    readonly_fields = fields
    ordering = ("-id",)
    sortable_by = ()
    exact_ids = ("budget__promotion_id",)
    search_help_text = "A promotion's id"

    @admin.display
    def promotion(self, entry: BudgetEntry) -> str:
        return str(entry.budget.promotion)

    @admin.display(description="amount")
    def amount_shown(self, entry: BudgetEntry) -> str:
        currency = entry.budget.promotion.currency
        return f"{money.money_text(entry.amount, currency)} {currency}"
