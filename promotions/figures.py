"""Promotions in numbers: what the front page of the console counts, and the filters it leads to."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, F, Q
from django.db.models.functions import Now

from promotions.models import Budget, Promotion, effectively
from promotions.states import EffectiveStatus, Status

NEARLY = 80  # per cent of a budget
STARTING_HOURS, ENDING_HOURS = 48, 7 * 24


def starting_within(hours: int) -> Q:
    """Scheduled, and to start so soon."""
    soon: Any = Now() + timedelta(hours=hours)
    return effectively(EffectiveStatus.SCHEDULED, Now()) & Q(start_at__lte=soon)


def ending_within(hours: int) -> Q:
    """Active in their window, and to end so soon."""
    soon: Any = Now() + timedelta(hours=hours)
    return Q(status=Status.ACTIVE, start_at__lte=Now(), end_at__gt=Now(), end_at__lte=soon)


def spent_above(percent: int) -> Q:
    """Active with a budget of which at least so much is spent or reserved."""
    taken = (F("budget__reserved") + F("budget__spent")) * 100
    return Q(status=Status.ACTIVE, budget__isnull=False) & Q(
        budget__total__lte=taken / percent, budget__total__gt=0
    )


@dataclass(frozen=True)
class Figures:
    running: int
    starting: int
    ending: int
    nearly_spent: int
    paused: int
    drafts: int
    active: int


def figures() -> Figures:
    """All of them, in one query over what has not ended."""
    conditions = {
        "running": effectively(EffectiveStatus.RUNNING, Now()),
        "starting": starting_within(STARTING_HOURS),
        "ending": ending_within(ENDING_HOURS),
        "nearly_spent": spent_above(NEARLY),
        "paused": effectively(EffectiveStatus.PAUSED, Now()),
        "drafts": Q(status=Status.DRAFT),
        "active": Q(status=Status.ACTIVE),
    }
    found = (
        Promotion.objects.exclude(status=Status.ENDED)
        .order_by()
        .aggregate(**{name: Count("pk", filter=q) for name, q in conditions.items()})
    )
    return Figures(**found)


def top_spenders(most: int) -> list[Promotion]:
    """Those whose budgets gave the most away, with their budgets."""
    budgets = (
        Budget.objects.filter(spent__gt=0)
        .select_related("promotion")
        .order_by("-spent", "promotion_id")[:most]
    )
    found = []
    for budget in budgets:
        budget.promotion.budget = budget
        found.append(budget.promotion)
    return found
