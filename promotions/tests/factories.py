"""Promotions for tests, of a month around now, in any status, with an audience and a budget.

`PromotionFactory(budget=100, users=[alice], pools=[testers])` is a draft; the other factories
move theirs on after these, as the database wants it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import factory
import pgtrigger
from factory.django import DjangoModelFactory

from promotions.models import Budget, BudgetEntry, Promotion, PromotionTarget
from promotions.states import Status

_LIFE = ("activated_at", "ended_at", "paused_at", "pause_reason")


class PromotionFactory(DjangoModelFactory):
    class Meta:
        model = Promotion

    name = factory.Sequence(lambda n: f"Promotion {n}")
    start_at = factory.LazyFunction(lambda: datetime.now(UTC) - timedelta(days=15))
    end_at = factory.LazyAttribute(lambda promotion: promotion.start_at + timedelta(days=30))

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Promotion:
        status = kwargs.pop("status", Status.DRAFT)
        life = {name: kwargs.pop(name) for name in _LIFE if name in kwargs}
        budget = kwargs.pop("budget", None)
        while_draft = kwargs.pop("while_draft", None)
        users, pools = kwargs.pop("users", ()), kwargs.pop("pools", ())
        kwargs.setdefault("is_targeted", bool(users or pools))
        promotion = super()._create(model_class, *args, **kwargs)
        targets = [{"user": user} for user in users] + [{"pool": pool} for pool in pools]
        PromotionTarget.objects.bulk_create(
            PromotionTarget(promotion=promotion, **target) for target in targets
        )
        if budget is not None:
            BudgetFactory(promotion=promotion, total=budget)
        if while_draft:
            while_draft(promotion)
        if status != Status.DRAFT:
            ended_at = life.pop("ended_at", None)
            _move(promotion, status=Status.ACTIVE, **life)
            if status == Status.ENDED:
                _move(promotion, status=Status.ENDED, ended_at=ended_at)
        return promotion


class ActivePromotionFactory(PromotionFactory):
    status = Status.ACTIVE
    activated_at = factory.SelfAttribute("start_at")


class EndedPromotionFactory(ActivePromotionFactory):
    status = Status.ENDED
    ended_at = factory.SelfAttribute("end_at")


class BudgetFactory(DjangoModelFactory):
    """A draft's budget, funded through its ledger."""

    class Meta:
        model = Budget

    promotion = factory.SubFactory(PromotionFactory)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Budget:
        total = kwargs.pop("total", 100)
        budget: Budget = super()._create(model_class, *args, **kwargs)
        if total:
            BudgetEntry.objects.create(budget=budget, kind="fund", amount=total)
            budget.refresh_from_db()
        return budget


def spend(promotion: Promotion, amount: Any) -> None:
    """Reserve some of a budget without the row it would be for."""
    with pgtrigger.ignore("promotions.BudgetEntry:a_money_comes_with_its_row"):
        BudgetEntry.objects.create(budget=promotion.budget, kind="reserve", amount=amount)


def _move(promotion: Promotion, **columns: Any) -> None:
    Promotion.objects.filter(pk=promotion.pk).update(**columns)
    for name, value in columns.items():
        setattr(promotion, name, value)
