"""The budget: set in drafts, topped up until the end, every movement in the ledger."""

from decimal import Decimal

import pytest

from promopulse.lib.errors import Invalid
from promotions import selectors, services
from promotions.errors import FieldLocked, PromotionEnded
from promotions.models import Budget, BudgetEntry, Promotion
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db


def ledger(promotion: Promotion) -> list[tuple[str, Decimal]]:
    return list(selectors.ledger(promotion.pk).order_by("id").values_list("kind", "amount"))


def test_a_drafts_total_is_raised_and_lowered_through_the_ledger():
    promotion = PromotionFactory()
    budget = services.set_budget_total(promotion.pk, total=Decimal("100"), reason="Q3")
    assert (budget.total, budget.reserved, budget.spent, budget.left) == (100, 0, 0, 100)
    services.set_budget_total(promotion.pk, total=Decimal("40.50"))
    assert ledger(promotion) == [("fund", Decimal(100)), ("fund", Decimal("-59.50"))]
    assert Budget.objects.get().total == Decimal("40.50")
    first, second = entries(promotion)
    assert (first.before, first.after) == ({"budget_total": None}, {"budget_total": "100.00"})
    assert (second.before, second.after) == ({"budget_total": "100.00"}, {"budget_total": "40.50"})
    assert first.reason == "Q3"
    assert stored(promotion)["version"] == 3


def test_the_same_total_is_no_change():
    for factory in (PromotionFactory, ActivePromotionFactory, EndedPromotionFactory):
        promotion = factory(budget=10)
        row = stored(promotion)
        services.set_budget_total(promotion.pk, total=Decimal("10.00"))
        assert stored(promotion) == row
        assert entries(promotion) == []
        assert len(ledger(promotion)) == 1


def test_a_draft_can_be_unlimited_again():
    promotion = PromotionFactory(budget=10)
    assert services.set_budget_total(promotion.pk, total=None) is None
    assert not Budget.objects.exists()
    assert not BudgetEntry.objects.exists()
    (entry,) = entries(promotion)
    assert (entry.before, entry.after) == ({"budget_total": "10.00"}, {"budget_total": None})


def test_no_money_yet_is_a_budget():
    promotion = PromotionFactory()
    assert services.set_budget_total(promotion.pk, total=Decimal(0)).left == 0
    assert ledger(promotion) == []


@pytest.mark.parametrize("factory", [ActivePromotionFactory, EndedPromotionFactory])
@pytest.mark.parametrize("budget", [None, 10])
def test_a_total_is_locked_after_the_draft(factory, budget):
    promotion = factory(budget=budget)
    for total in {None, Decimal(10), Decimal(11)} - {budget}:
        with pytest.raises(FieldLocked) as refused:
            services.set_budget_total(promotion.pk, total=total)
        assert refused.value.params == {"fields": ["total"], "status": promotion.status}
    assert entries(promotion) == []


def test_a_top_up_adds_to_a_draft_and_to_an_active_promotion():
    for factory in (PromotionFactory, ActivePromotionFactory):
        promotion = factory(budget=10)
        budget = services.top_up(promotion.pk, amount=Decimal("2.50"), reason="more")
        assert budget.total == Decimal("12.50")
        (entry,) = entries(promotion)
        assert (entry.action, entry.reason) == ("promotion.top_up", "more")
        assert (entry.before, entry.after) == (
            {"budget_total": "10.00"},
            {"budget_total": "12.50"},
        )
        last = selectors.ledger(promotion.pk).latest("id")
        assert (last.kind, last.amount, last.reason) == ("fund", Decimal("2.50"), "more")


def test_an_ended_promotion_takes_no_money():
    promotion = EndedPromotionFactory(budget=10)
    with pytest.raises(PromotionEnded):
        services.top_up(promotion.pk, amount=Decimal(1))
    assert len(ledger(promotion)) == 1


def test_an_unlimited_promotion_has_nothing_to_top_up():
    for factory in (PromotionFactory, ActivePromotionFactory):
        with pytest.raises(Invalid, match="it is unlimited"):
            services.top_up(factory().pk, amount=Decimal(1))
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("currency", "amount"),
    [
        ("USD", "0.001"),
        ("JPY", "0.5"),
        ("KWD", "0.0001"),
        ("USD", "-1"),
        ("USD", "NaN"),
        ("USD", "Infinity"),
        ("USD", "1000000000000"),
        ("USD", "1E+30"),
    ],
)
def test_amounts_its_currency_or_our_columns_cannot_hold(currency, amount):
    promotion = PromotionFactory(currency=currency, budget=10)
    row = stored(promotion)
    for call, field in (
        (lambda: services.top_up(promotion.pk, amount=Decimal(amount)), "amount"),
        (lambda: services.set_budget_total(promotion.pk, total=Decimal(amount)), "total"),
    ):
        with pytest.raises(Invalid) as refused:
            call()
        assert refused.value.errors[0]["pointer"] == f"/{field}"
    assert stored(promotion) == row
    assert len(ledger(promotion)) == 1


def test_a_top_up_is_more_than_nothing_and_bounded():
    promotion = PromotionFactory(budget="999999999999")
    for amount in ("0", "1"):
        with pytest.raises(Invalid):
            services.top_up(promotion.pk, amount=Decimal(amount))
    assert Budget.objects.get().total == Decimal("999999999999")
