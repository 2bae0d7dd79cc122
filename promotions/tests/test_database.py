"""What the database itself refuses, also from raw SQL that goes around the services."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pgtrigger
import pytest
from django.db import DatabaseError, transaction
from django.db.utils import IntegrityError

from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib.problems import constraint_of
from promotions.models import Budget, BudgetEntry, Promotion, PromotionTarget
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.raw import refused_by, run
from promotions.tests.trail import stored

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("factory", "assignment", "constraint"),
    [
        (EndedPromotionFactory, "status = 'draft'", "promotions_promotion_lifecycle"),
        (EndedPromotionFactory, "status = 'active'", "promotions_promotion_lifecycle"),
        (EndedPromotionFactory, "name = 'new'", "promotions_promotion_ended_fixed"),
        (PromotionFactory, "status = 'ended'", "promotions_promotion_lifecycle"),
        (ActivePromotionFactory, "status = 'draft'", "promotions_promotion_lifecycle"),
        (
            ActivePromotionFactory,
            "start_at = start_at - interval '1 day'",
            "promotions_promotion_locked",
        ),
        (
            ActivePromotionFactory,
            "end_at = end_at + interval '1 day'",
            "promotions_promotion_locked",
        ),
        (ActivePromotionFactory, "timezone = 'Asia/Tokyo'", "promotions_promotion_locked"),
        (ActivePromotionFactory, "currency = 'EUR'", "promotions_promotion_locked"),
        (ActivePromotionFactory, "is_targeted = true", "promotions_promotion_locked"),
        (ActivePromotionFactory, "source_id = 'a'", "promotions_promotion_locked"),
        (ActivePromotionFactory, "metadata = '{\"a\": 1}'", "promotions_promotion_locked"),
        (ActivePromotionFactory, "activated_at = now()", "promotions_promotion_locked"),
        (PromotionFactory, "created_at = now()", "promotions_promotion_locked"),
        (PromotionFactory, "end_at = start_at", "promotions_promotion_window"),
        (PromotionFactory, "name = ''", "promotions_promotion_named"),
        (PromotionFactory, "currency = 'usd'", "promotions_promotion_currency_is_code"),
        (PromotionFactory, "status = 'active'", "promotions_promotion_stamps_agree"),
        (PromotionFactory, "paused_at = now()", "promotions_promotion_pause_agrees"),
        (ActivePromotionFactory, "pause_reason = 'a'", "promotions_promotion_pause_agrees"),
        (ActivePromotionFactory, "ended_at = now()", "promotions_promotion_stamps_agree"),
    ],
)
def test_a_promotion_keeps_to_its_life(factory, assignment, constraint):
    promotion = factory()
    row = stored(promotion)
    found = refused_by(f"UPDATE promotions_promotion SET {assignment} WHERE id = %s", promotion.pk)
    assert found == constraint
    assert stored(promotion) == row


def test_an_unknown_status_is_refused():
    promotion = PromotionFactory()
    with pytest.raises(IntegrityError):
        run("UPDATE promotions_promotion SET status = 'gone' WHERE id = %s", promotion.pk)


def test_only_drafts_can_be_deleted():
    for factory in (ActivePromotionFactory, EndedPromotionFactory):
        promotion = factory()
        constraint = refused_by("DELETE FROM promotions_promotion WHERE id = %s", promotion.pk)
        assert constraint == "promotions_promotion_delete"
    run("DELETE FROM promotions_promotion WHERE id = %s", PromotionFactory().pk)
    assert Promotion.objects.count() == 2


@pytest.mark.parametrize("factory", [ActivePromotionFactory, EndedPromotionFactory])
def test_the_audience_is_fixed_once_active(factory):
    user, other = UserFactory(), UserFactory()
    promotion, draft = factory(users=[user]), PromotionFactory()
    locked = "promotions_promotiontarget_locked"
    assert locked == refused_by(
        "INSERT INTO promotions_promotiontarget (promotion_id, user_id) VALUES (%s, %s)",
        promotion.pk,
        other.pk,
    )
    assert locked == refused_by("UPDATE promotions_promotiontarget SET user_id = %s", other.pk)
    # Nor is it led away into a draft, or a draft's led in.
    assert locked == refused_by("UPDATE promotions_promotiontarget SET promotion_id = %s", draft.pk)
    assert locked == refused_by("DELETE FROM promotions_promotiontarget")
    assert PromotionTarget.objects.get().user == user


def test_a_target_is_a_user_or_a_pool():
    promotion, user, pool = PromotionFactory(), UserFactory(), PoolFactory()
    insert = (
        "INSERT INTO promotions_promotiontarget (promotion_id, user_id, pool_id) "
        "VALUES (%s, %s, %s)"
    )
    kind = "promotions_promotiontarget_one_kind"
    assert refused_by(insert, promotion.pk, None, None) == kind
    assert refused_by(insert, promotion.pk, user.pk, pool.pk) == kind
    run(insert, promotion.pk, user.pk, None)
    assert refused_by(insert, promotion.pk, user.pk, None) == "promotions_promotiontarget_user_once"


@pytest.mark.parametrize("column", ["total", "reserved", "spent"])
def test_only_the_ledger_moves_a_budget(column):
    promotion = PromotionFactory(budget=10)
    constraint = refused_by(f"UPDATE promotions_budget SET {column} = {column} + 1")
    assert constraint == "promotions_budget_unledgered"
    values = [7 if name == column else 0 for name in ("total", "reserved", "spent")]
    constraint = refused_by(
        "INSERT INTO promotions_budget (promotion_id, total, reserved, spent) "
        "VALUES (%s, %s, %s, %s)",
        PromotionFactory().pk,
        *values,
    )
    assert constraint == "promotions_budget_unledgered"
    promotion.budget.refresh_from_db()
    assert (promotion.budget.total, promotion.budget.left) == (10, 10)


@pytest.mark.parametrize("factory", [ActivePromotionFactory, EndedPromotionFactory])
def test_a_budget_comes_and_goes_with_a_draft_only(factory):
    unlimited, empty = factory(), factory(budget=0)
    insert = (
        "INSERT INTO promotions_budget (promotion_id, total, reserved, spent) VALUES (%s, 0, 0, 0)"
    )
    assert refused_by(insert, unlimited.pk) == "promotions_budget_locked"
    delete = "DELETE FROM promotions_budget WHERE promotion_id = %s"
    assert refused_by(delete, empty.pk) == "promotions_budget_locked"


@pytest.mark.parametrize("factory", [PromotionFactory, ActivePromotionFactory])
def test_the_ledger_is_append_only(factory):
    promotion = factory(budget=10)
    kept = "promotions_budgetentry_append_only"
    assert refused_by("UPDATE promotions_budgetentry SET amount = 20") == kept
    assert refused_by("UPDATE promotions_budgetentry SET reason = 'other'") == kept
    assert refused_by("DELETE FROM promotions_budgetentry") == kept
    assert BudgetEntry.objects.get().budget == promotion.budget


@pytest.mark.parametrize(
    "table",
    [
        "promotions_budgetentry",
        "promotions_budget",
        "promotions_promotiontarget",
        "promotions_promotion",
    ],
)
def test_nothing_is_truncated_away(table):
    ActivePromotionFactory(budget=10, users=[UserFactory()])
    run("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be truncated at all
    with pytest.raises(DatabaseError, match="is append-only"):
        run(f"TRUNCATE {table} CASCADE")
    assert (BudgetEntry.objects.count(), PromotionTarget.objects.count()) == (1, 1)


def test_a_deleted_draft_takes_its_ledger_along():
    PromotionFactory(budget=10, users=[UserFactory()]).delete()
    run("SELECT")
    assert not Budget.objects.exists()
    assert not BudgetEntry.objects.exists()


def test_no_budget_goes_without_its_ledger():
    promotion = PromotionFactory(budget=10)
    delete = "DELETE FROM promotions_budget WHERE promotion_id = %s"
    assert refused_by(delete, promotion.pk) == "promotions_budgetentry_append_only"


def test_no_funding_is_skipped_once_it_has_moved_the_budget():
    """A key that is taken would let ON CONFLICT DO NOTHING drop the entry, not its money."""
    budget = ActivePromotionFactory(budget=10).budget
    taken = BudgetEntry.objects.get().pk
    run(
        "INSERT INTO promotions_budgetentry (id, budget_id, kind, amount) "
        "VALUES (%s, %s, 'fund', 5) ON CONFLICT DO NOTHING",
        taken,
        budget.pk,
    )
    budget.refresh_from_db()
    assert budget.total == 15
    assert sorted(BudgetEntry.objects.values_list("amount", flat=True)) == [5, 10]


@pytest.mark.parametrize(
    ("amount", "constraint"),
    [("NaN", "promotions_budgetentry_sign"), ("0.001", "promotions_budgetentry_exact")],
)
def test_a_funding_is_an_amount_of_its_currency(amount, constraint):
    budget = ActivePromotionFactory(budget=10).budget
    fund = "INSERT INTO promotions_budgetentry (budget_id, kind, amount) VALUES (%s, 'fund', %s)"
    assert refused_by(fund, budget.pk, amount) == constraint


OWNED = "promotions.BudgetEntry:a_money_comes_with_its_row"


def _entry(budget: Budget) -> Callable[..., None]:
    def write(kind: str, amount: Any) -> None:
        with pgtrigger.ignore(OWNED), transaction.atomic():
            BudgetEntry.objects.create(
                budget=budget, kind=kind, amount=amount, was_reserved=kind == "capture"
            )

    return write


@pytest.mark.parametrize("kind", ["reserve", "capture", "release", "reverse"])
def test_money_moves_only_with_the_row_it_is_for(kind):
    budget = ActivePromotionFactory(budget=10).budget
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        BudgetEntry.objects.create(budget=budget, kind=kind, amount=1)
    assert constraint_of(refused.value) == "promotions_budgetentry_unowned"


def test_no_movement_passes_the_total():
    budget = ActivePromotionFactory(budget=10).budget
    write = _entry(budget)
    write("reserve", Decimal("6.00"))
    # A take for which there is no room is not entered: no row comes back.
    with pytest.raises(TypeError, match="NoneType"):
        write("reserve", Decimal("4.001"))
    for kind, amount in [
        ("capture", Decimal("6.001")),
        ("release", Decimal("6.001")),
        ("reverse", Decimal("0.001")),
    ]:
        with pytest.raises(IntegrityError) as refused:
            write(kind, amount)
        assert constraint_of(refused.value) == "promotions_budget_never_over"
    write("capture", Decimal(5))
    write("release", Decimal(1))
    write("reverse", Decimal(2))
    budget.refresh_from_db()
    assert (budget.total, budget.reserved, budget.spent, budget.left) == (10, 0, 3, 7)


@pytest.mark.parametrize(
    ("kind", "amount"), [("fund", 0), ("reserve", 0), ("reserve", -1), ("reverse", -1)]
)
def test_a_movement_has_its_sign(kind, amount):
    write = _entry(PromotionFactory(budget=10).budget)
    with pytest.raises(IntegrityError) as refused:
        write(kind, amount)
    refusals = {"promotions_budgetentry_sign", "promotions_budget_never_over"}
    assert constraint_of(refused.value) in refusals


def test_an_unknown_movement_is_refused():
    with pytest.raises(IntegrityError) as refused:
        _entry(PromotionFactory(budget=10).budget)("gift", 1)
    assert constraint_of(refused.value) == "promotions_budgetentry_kind_known"


def test_funding_follows_the_life_of_the_promotion():
    _entry(PromotionFactory(budget=10).budget)("fund", -5)
    _entry(ActivePromotionFactory(budget=10).budget)("fund", 5)
    for factory, amount in ((ActivePromotionFactory, -5), (EndedPromotionFactory, 5)):
        with pytest.raises(IntegrityError) as refused:
            _entry(factory(budget=10).budget)("fund", amount)
        assert constraint_of(refused.value) == "promotions_budgetentry_funding"
