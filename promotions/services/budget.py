"""The money a promotion may give away: set while it is a draft, topped up until it ends."""

from decimal import Decimal

from django.db import transaction

from promopulse.lib import money
from promopulse.lib.errors import Invalid
from promotions import rules
from promotions.errors import FieldLocked, not_active
from promotions.models import Budget, BudgetEntry, Promotion
from promotions.services.changes import commit, locked
from promotions.states import Status


def set_budget_total(
    promotion_id: int, *, total: Decimal | None, reason: str = ""
) -> Budget | None:
    """Give a draft a budget of `total`; None makes it unlimited again.

    Raises PromotionNotFound, FieldLocked or Invalid.
    """
    reason = rules.text("reason", reason, rules.MAX_REASON)
    with transaction.atomic():
        promotion = locked(promotion_id)
        if total is not None:
            rules.check_amount("total", total, promotion.currency)
        budget = Budget.objects.select_for_update().filter(promotion=promotion).first()
        present = budget.total if budget else None
        if total == present:
            return budget
        if promotion.status != Status.DRAFT:
            raise FieldLocked({"total"}, promotion.status)
        budget = _fund_to(promotion, budget, total, reason)
        _commit(promotion, "promotion.set_budget", present, total, reason)
        return budget


def top_up(
    promotion_id: int, *, amount: Decimal, reason: str = "", expected_version: int | None = None
) -> Budget:
    """Add money to the budget of a draft or an active promotion.

    Raises PromotionNotFound, VersionConflict, PromotionEnded or Invalid (also where there is no
    budget to add to).
    """
    reason = rules.text("reason", reason, rules.MAX_REASON)
    with transaction.atomic():
        promotion = locked(promotion_id, expected_version=expected_version)
        if promotion.status == Status.ENDED:
            raise not_active(promotion)
        rules.check_amount("amount", amount, promotion.currency)
        if amount == 0:
            raise Invalid("amount", "More than zero is expected.", "min_value")
        budget = Budget.objects.filter(promotion=promotion).first()
        if budget is None:
            raise Invalid("amount", "The promotion has no budget: it is unlimited.", "unlimited")
        present = budget.total
        if present + amount > money.MAX_AMOUNT:
            raise Invalid("amount", f"The total would pass {money.MAX_AMOUNT}.", "max_value")
        # The entry moves the budget's row, last and briefly: grants wait for that row.
        _commit(promotion, "promotion.top_up", present, present + amount, reason)
        fund(budget, amount, reason)
        return budget


def fund(budget: Budget, amount: Decimal, reason: str = "") -> None:
    """Write a funding into the ledger, whose trigger carries it over to the budget."""
    BudgetEntry.objects.create(
        budget=budget, kind=BudgetEntry.Kind.FUND, amount=amount, reason=reason
    )
    budget.refresh_from_db()


def _fund_to(
    promotion: Promotion, budget: Budget | None, total: Decimal | None, reason: str
) -> Budget | None:
    if total is None:
        if budget:
            budget.delete()  # with its ledger: nothing was spent of a draft
        return None
    budget = budget or Budget.objects.create(promotion=promotion)
    if total != budget.total:
        fund(budget, total - budget.total, reason)
    return budget


def _commit(
    promotion: Promotion, action: str, old: Decimal | None, new: Decimal | None, reason: str
) -> None:
    def shown(total: Decimal | None) -> dict[str, str | None]:
        return {
            "budget_total": None if total is None else money.money_text(total, promotion.currency)
        }

    commit(promotion, action, before=shown(old), after=shown(new), reason=reason)
