"""`manage.py budget_report`: what every budget gave away, holds and has left."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from promopulse.lib import commands, time
from promopulse.lib.commands import Outcome
from promopulse.lib.money import money_text
from promotions.models import Promotion
from promotions.states import EffectiveStatus


class Command(commands.Command):
    help = "Show what each budget has spent, holds and has left, the fullest first."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--promotion", type=int, help="Only the budget of this promotion.")
        parser.add_argument(
            "--above",
            type=float,
            default=0,
            help="Only budgets used up to this percentage or more.",
        )
        parser.add_argument(
            "--status", choices=EffectiveStatus.values, help="Only promotions of this status."
        )

    def run(
        self, *, promotion: int | None, above: float, status: str | None, **options: Any
    ) -> Outcome:
        promotions = _with_budgets()
        if promotion is not None:
            promotions = promotions.filter(pk=promotion)
        if status:
            promotions = promotions.effectively(status, Now())  # type: ignore[attr-defined]
        at = time.db_now()
        rows = sorted(
            (row for row in (_row(one, at) for one in promotions) if row["used_percent"] >= above),
            key=lambda row: (-row["used_percent"], row["promotion_id"]),
        )
        return Outcome(
            {"as_of": time.rfc3339(at), "budgets": rows},
            [_line(row) for row in rows],
            "" if rows else "No such budget.",
        )


def _with_budgets() -> "QuerySet[Promotion]":
    open_ones = Q(budget__entries__kind="reserve")
    return (
        Promotion.objects.filter(budget__isnull=False)
        .select_related("budget")
        .annotate(
            captures=Count("budget__entries", filter=Q(budget__entries__kind="capture")),
            reservations=Count("budget__entries", filter=open_ones),
        )
    )


def _row(promotion: Promotion, at: datetime) -> dict[str, Any]:
    budget, currency = promotion.budget, promotion.currency
    used = budget.reserved + budget.spent
    return {
        "promotion_id": promotion.pk,
        "name": promotion.name,
        "effective_status": str(promotion.effective_status(at)),
        "currency": currency,
        "total": money_text(budget.total, currency),
        "reserved": money_text(budget.reserved, currency),
        "spent": money_text(budget.spent, currency),
        "left": money_text(budget.left, currency),
        "used_percent": round(float(used / budget.total * 100), 1) if budget.total else 100.0,
        "redemptions": promotion.captures,  # type: ignore[attr-defined]
        "reservations": promotion.reservations,  # type: ignore[attr-defined]
    }


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['used_percent']:>6} %  {row['spent']:>14} spent {row['reserved']:>12} held "
        f"{row['left']:>14} left of {row['total']} {row['currency']}  "
        f"{row['promotion_id']} {row['name']} ({row['effective_status']})"
    )
