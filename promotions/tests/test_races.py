"""Two at once: threads with connections of their own against the real database."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.tests.factories import UserFactory
from accounts.tests.threads import together
from promopulse.lib.errors import VersionConflict
from promotions import services
from promotions.errors import FieldLocked, PromotionNotFound
from promotions.models import Budget, BudgetEntry, Promotion, PromotionTarget
from promotions.states import Status
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_activate_and_edit_at_once_never_edits_an_active_promotion(round_number):
    promotion = PromotionFactory()
    wanted = promotion.end_at + timedelta(days=1)
    calls = [
        lambda: services.update_promotion(promotion.pk, changes={"end_at": wanted}),
        lambda: services.change_status(promotion.pk, status="active"),
    ]
    turn = round_number % 2  # threads start in order: let each be first half of the time
    edited = together(*(calls[::-1] if turn else calls))[turn]
    row, actions = stored(promotion), [entry.action for entry in entries(promotion)]
    assert row["status"] == Status.ACTIVE
    assert row["version"] == 1 + len(actions)
    if isinstance(edited, FieldLocked):
        assert row["end_at"] == promotion.end_at
        assert actions == ["promotion.activate"]
    else:
        assert row["end_at"] == wanted
        assert actions == ["promotion.update", "promotion.activate"]


def test_edits_at_once_all_count():
    promotion = PromotionFactory()
    together(
        lambda: services.update_promotion(promotion.pk, changes={"name": "New"}),
        lambda: services.update_promotion(promotion.pk, changes={"description": "Words"}),
        lambda: services.update_promotion(promotion.pk, changes={"timezone": "Asia/Tokyo"}),
    )
    row = stored(promotion)
    assert (row["name"], row["description"], row["timezone"]) == ("New", "Words", "Asia/Tokyo")
    assert row["version"] == 4
    assert len(entries(promotion)) == 3


def test_one_of_two_who_read_the_same_version_is_told():
    promotion = PromotionFactory()
    outcomes = together(
        *(
            lambda name=name: services.update_promotion(
                promotion.pk, changes={"name": name}, expected_version=1
            )
            for name in ("A", "B")
        )
    )
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, Promotion)]
    assert [type(outcome) for outcome in outcomes if outcome is not winner] == [VersionConflict]
    assert stored(promotion)["name"] == winner.name
    assert stored(promotion)["version"] == 2


def test_sixteen_top_ups_at_once_add_up():
    promotion = ActivePromotionFactory(budget=100)
    outcomes = together(
        *(
            lambda cents=cents: services.top_up(promotion.pk, amount=Decimal(cents) / 100)
            for cents in range(1, 17)
        )
    )
    assert all(isinstance(outcome, Budget) for outcome in outcomes)
    assert Budget.objects.get().total == Decimal("101.36")
    assert BudgetEntry.objects.count() == 17
    assert stored(promotion)["version"] == 17
    # Each entry of the trail begins where the one before it ended.
    trail = entries(promotion)
    totals = [entry.before["budget_total"] for entry in trail[1:]]
    assert totals == [entry.after["budget_total"] for entry in trail[:-1]]


def test_totals_set_at_once_leave_one_of_them():
    promotion = PromotionFactory()
    together(
        *(
            lambda total=total: services.set_budget_total(promotion.pk, total=Decimal(total))
            for total in (10, 20, 30)
        )
    )
    budget = Budget.objects.get()
    assert budget.total in (10, 20, 30)
    assert sum(BudgetEntry.objects.values_list("amount", flat=True)) == budget.total
    assert len(entries(promotion)) == 3


@pytest.mark.parametrize("status", ["active", "ended"])
def test_the_same_status_twice_at_once_is_one_change(status):
    for _ in range(5):
        promotion = PromotionFactory() if status == "active" else ActivePromotionFactory()
        outcomes = together(*[lambda: services.change_status(promotion.pk, status=status)] * 4)  # noqa: B023
        assert {outcome.status for outcome in outcomes} == {status}
        assert len(entries(promotion)) == 1
        assert stored(promotion)["version"] == 2


def test_two_pauses_at_once_are_one():
    for _ in range(5):
        promotion = ActivePromotionFactory()
        outcomes = together(
            lambda: services.pause(promotion.pk, reason="A"),  # noqa: B023
            lambda: services.pause(promotion.pk, reason="B"),  # noqa: B023
        )
        (entry,) = entries(promotion)
        assert {outcome.pause_reason for outcome in outcomes} == {entry.reason}
        assert stored(promotion)["pause_reason"] == entry.reason


def test_delete_and_activate_at_once_never_both_happen():
    for _ in range(5):
        promotion = PromotionFactory(budget=10)
        deleted, activated = together(
            lambda: services.delete_promotion(promotion.pk),  # noqa: B023
            lambda: services.change_status(promotion.pk, status="active"),  # noqa: B023
        )
        if deleted is None:
            assert isinstance(activated, PromotionNotFound)
            assert not Promotion.objects.filter(pk=promotion.pk).exists()
        else:
            assert activated.status == Status.ACTIVE
            assert Budget.objects.filter(promotion=promotion).exists()


def test_audience_edits_at_once_leave_one_of_them():
    promotion, users = PromotionFactory(), [UserFactory().pk for _ in range(4)]
    together(
        lambda: services.update_promotion(promotion.pk, changes={"target_user_ids": users[:3]}),
        lambda: services.update_promotion(promotion.pk, changes={"target_user_ids": users[2:]}),
    )
    targets = PromotionTarget.objects.order_by("user_id").values_list("user_id", flat=True)
    assert list(targets) in (users[:3], users[2:])
