"""Moves of a promotion in the admin: plan, confirm with a reason, do, report, undo."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest
from django.urls import reverse

from promopulse.lib import money, plans, time
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin import whole_id
from promopulse.lib.admin.plans import Nothing, PlanPage, ReasonForm, Report
from promopulse.lib.errors import VersionConflict
from promopulse.lib.widgets import AmountInput
from promotions import previews, services
from promotions.admin import shown
from promotions.models import Promotion
from promotions.previews import MovePlan
from promotions.states import Status

MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Move:
    """One thing staff may do to a promotion.

    `do` takes the promotion's id, the version that was previewed and the form's values.
    """

    title: str
    done: str
    says: str
    statuses: frozenset[str]
    do: Callable[[int, int, dict[str, Any]], object]
    final: str = ""
    undo: str = ""
    asks_amount: bool = False
    paused: bool | None = None

    def fits(self, promotion: Promotion) -> bool:
        """Whether it would change this promotion."""
        if self.asks_amount and promotion.budget_left() is None:
            return False
        return promotion.status in self.statuses and (
            self.paused is None or self.paused == (promotion.paused_at is not None)
        )


def _status(status: str) -> Callable[[int, int, dict[str, Any]], object]:
    return lambda pk, version, given: services.change_status(
        pk, status=status, reason=given["reason"], expected_version=version
    )


_DRAFT, _ACTIVE = frozenset({Status.DRAFT.value}), frozenset({Status.ACTIVE.value})
MOVES: dict[str, Move] = {
    "activate": Move(
        "Activate",
        "Activated",
        "Its audience will see it, and it runs within its window.",
        _DRAFT,
        _status("active"),
        final="Window, zone, currency, audience and discount are fixed from then on. It can be "
        "paused and ended, never be a draft again.",
    ),
    "pause": Move(
        "Pause",
        "Paused",
        "Nobody can subscribe or redeem until it is resumed.",
        _ACTIVE,
        lambda pk, version, given: services.pause(
            pk, reason=given["reason"], expected_version=version
        ),
        paused=False,
        undo="resume",
    ),
    "resume": Move(
        "Resume",
        "Resumed",
        "It goes on within its window.",
        _ACTIVE,
        lambda pk, version, given: services.resume(
            pk, reason=given["reason"], expected_version=version
        ),
        paused=True,
        undo="pause",
    ),
    "end": Move(
        "End",
        "Ended",
        "It stops now and becomes read-only.",
        _ACTIVE,
        _status("ended"),
        final="An ended promotion never runs again; duplicate it to start over.",
    ),
    "top_up": Move(
        "Top up",
        "Topped up",
        "Money is added to its budget.",
        _DRAFT | _ACTIVE,
        lambda pk, version, given: services.top_up(
            pk, amount=given["amount"], reason=given["reason"], expected_version=version
        ),
        final="Money once added to an active promotion cannot be taken away.",
        asks_amount=True,
    ),
    "duplicate": Move(
        "Duplicate",
        "Duplicated",
        "A new draft with the same window, audience and budget total, nothing used.",
        frozenset(Status.values),
        lambda pk, _version, given: services.duplicate(pk, reason=given["reason"]),
    ),
}


class AmountForm(ReasonForm):
    amount = forms.DecimalField(
        min_value=money.minor_unit("KWD"),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=AmountInput,
    )
    field_order = ("amount", "reason")


class MovesPage(PlanPage):
    """The pages `.../move/<move>/?ids=1,2`. What was confirmed is done whole or not at all."""

    template = "admin/promotions/promotion/move.html"

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return bool(self.admin.has_change_permission(request))

    def form(self, request: HttpRequest, **named: Any) -> type[forms.Form]:
        return AmountForm if _move(named["name"]).asks_amount else ReasonForm

    def plan(self, request: HttpRequest, **named: Any) -> MovePlan:
        move = _move(named["name"])
        ids = _ids(request.GET.get("ids", ""))
        rows = self.admin.get_queryset(request).filter(pk__in=ids).order_by("pk")
        promotions = list(rows)
        if not promotions:
            raise Nothing("Choose a promotion.")
        return previews.plan_of(named["name"], promotions, move.fits, time.db_now())

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        plans.must_be(plan, expected)
        move = _move(named["name"])
        try:
            with transaction.atomic():
                made = [move.do(one.pk, one.version, given) for one in plan.moved]
        except VersionConflict:
            raise plans.changed(plan) from None
        ids = [one.pk for one in plan.moved]
        only = made[0] if len(made) == 1 and isinstance(made[0], Promotion) else None
        back = _url(only.pk if only else ids[0] if len(ids) == 1 else None)
        undo = move_url(move.undo, ids) if move.undo else ""
        return Report(f"{move.done}: {len(ids)}.", back, undo=undo)

    def back(self, **named: Any) -> str:
        return _url(None)

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        move, at = _move(named["name"]), time.db_now()
        promotions = [preview.promotion for preview in plan.previews]
        only = promotions[0] if len(promotions) == 1 else None
        context: dict[str, Any] = {
            "title": f"{move.title} {only.name if only else looks.plural(plan.count, 'promotion')}",
            "says": move.says,
            "final": move.final if plan.count else "",
            "button": move.title,
            "warn_sign": looks.sign("warn"),
            "lock_sign": looks.sign("lock"),
        }
        if only is not None:
            found = plan.previews[0]
            return context | {
                "back": _url(only.pk),
                "warnings": found.warnings,
                "facts": shown.facts_of_move(named["name"], only, at),
                "overlaps": self._overlapping(only, at) if named["name"] == "activate" else None,
            }
        return context | {
            "rows": [
                {
                    "promotion": preview.promotion,
                    "fits": preview.fits,
                    "warnings": preview.warnings,
                    "badge": shown.badge(preview.promotion, at),
                    "window": shown.window(preview.promotion),
                    "budget": shown.budget(preview.promotion),
                    "audience": shown.audience(preview.promotion),
                }
                for preview in plan.previews
            ]
        }

    @staticmethod
    def _overlapping(promotion: Promotion, at: Any) -> dict[str, Any]:
        found = previews.overlaps(promotion)
        return {
            "rows": [
                {
                    "url": _url(other.pk),
                    "name": other.name,
                    "badge": shown.badge(other, at),
                    "window": shown.window(other),
                }
                for other in found.named
            ],
            "count": found.count,
            "more": found.count - len(found.named),
        }


def move_url(name: str, ids: list[int]) -> str:
    """The preview of a move of these promotions."""
    return f"{reverse('admin:promotions_promotion_move', args=[name])}?ids={_joined(ids)}"


def legal_moves(promotion: Promotion) -> list[tuple[str, str]]:
    """The buttons of a promotion's page: words and address."""
    return [
        (move.title, move_url(name, [promotion.pk]))
        for name, move in MOVES.items()
        if move.fits(promotion)
    ]


def _move(name: str) -> Move:
    if name not in MOVES:
        raise Http404
    return MOVES[name]


def _joined(ids: list[int]) -> str:
    return ",".join(map(str, ids))


def _ids(text: str) -> list[int]:
    found = (whole_id(part) for part in text.split(",")[:MOST_AT_ONCE])
    return [number for number in found if number is not None]


def _url(promotion_id: int | None) -> str:
    if promotion_id is None:
        return reverse("admin:promotions_promotion_changelist")
    return reverse("admin:promotions_promotion_change", args=[promotion_id])
