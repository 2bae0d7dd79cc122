"""Moves of a promotion in the admin: preview, confirm with a reason, do, report."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from promopulse.lib import money, time
from promopulse.lib.admin import whole_id
from promopulse.lib.errors import DomainError, VersionConflict
from promopulse.lib.widgets import AmountInput, TextArea
from promotions import rules, services
from promotions.admin import shown
from promotions.models import Promotion
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
    asks_amount: bool = False
    paused: bool | None = None

    def fits(self, promotion: Promotion) -> bool:
        """Whether it would change this promotion."""
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
        final="Window, zone, currency and audience are fixed from then on.",
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


class MoveForm(forms.Form):
    reason = forms.CharField(
        required=False,
        max_length=rules.MAX_REASON,
        widget=TextArea(attrs={"rows": 2}),
        help_text="Kept in the history.",
    )


class AmountForm(MoveForm):
    amount = forms.DecimalField(
        min_value=money.minor_unit("KWD"),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=AmountInput,
    )
    field_order = ("amount", "reason")


@dataclass(frozen=True)
class Planned:
    """One promotion of a preview."""

    promotion: Promotion
    fits: bool
    badge: str
    window: str
    budget: str
    audience: str
    warnings: list[str]


def warnings_of(move: str, promotion: Promotion, at: datetime) -> list[str]:
    """What somebody about to make this move may have missed."""
    if move != "activate":
        return []
    found = []
    if at >= promotion.end_at:
        found.append("Its window is over already.")
    elif at >= promotion.start_at:
        found.append("It starts in the past: it runs at once.")
    if promotion.end_at - promotion.start_at < timedelta(hours=1):
        found.append("Its window is shorter than an hour.")
    if promotion.budget_left() is None:
        found.append("It has no budget: there is no limit to what it gives away.")
    elif promotion.budget_left() == 0:
        found.append("Its budget is zero.")
    if promotion.is_targeted and not promotion.targets.exists():
        found.append("It is targeted and names nobody: nobody will see it.")
    return found


class MovesView:
    """The pages `.../move/<move>/?ids=1,2`: GET previews, POST does what was previewed."""

    def __init__(self, model_admin: "admin.ModelAdmin[Promotion]") -> None:
        self.admin = model_admin

    def __call__(self, request: HttpRequest, name: str) -> HttpResponse:
        if not self.admin.has_change_permission(request):
            raise PermissionDenied
        if name not in MOVES:
            raise Http404
        if request.method == "POST":
            return self._do(request, name)
        promotions = self._chosen(request, _ids(request.GET.get("ids", "")))
        if not promotions:
            return self._back(request, "Choose a promotion.", messages.WARNING)
        form = AmountForm() if MOVES[name].asks_amount else MoveForm()
        return self._page(request, name, promotions, form)

    def _do(self, request: HttpRequest, name: str) -> HttpResponse:
        plan = _plan(request.POST.get("plan", ""))
        promotions = self._chosen(request, list(plan))
        move = MOVES[name]
        form = (AmountForm if move.asks_amount else MoveForm)(request.POST)
        if not promotions:
            return self._back(request, "Choose a promotion.", messages.WARNING)
        if not form.is_valid():
            return self._page(request, name, promotions, form)
        done = 0
        for promotion in promotions:
            try:
                move.do(promotion.pk, plan[promotion.pk], form.cleaned_data)
                done += 1
            except VersionConflict:
                words = f"{promotion}: the plan changed, review it again."
                self.admin.message_user(request, words, messages.ERROR)
            except DomainError as refusal:
                words = f"{promotion}: {refusal.detail}"
                self.admin.message_user(request, words, messages.ERROR)
        only = promotions[0].pk if len(promotions) == 1 else None
        if not done:
            return HttpResponseRedirect(_url(only))
        return self._back(request, f"{move.done}: {done}.", messages.SUCCESS, only)

    def _chosen(self, request: HttpRequest, ids: list[int]) -> list[Promotion]:
        rows = self.admin.get_queryset(request).filter(pk__in=ids[:MOST_AT_ONCE])
        return list(rows.order_by("pk"))

    def _back(
        self, request: HttpRequest, words: str, level: int, promotion_id: int | None = None
    ) -> HttpResponse:
        self.admin.message_user(request, words, level)
        return HttpResponseRedirect(_url(promotion_id))

    def _page(
        self, request: HttpRequest, name: str, promotions: list[Promotion], form: forms.Form
    ) -> HttpResponse:
        move, at = MOVES[name], time.db_now()
        planned = [
            Planned(
                promotion=promotion,
                fits=move.fits(promotion),
                badge=shown.badge(promotion, at),
                window=shown.window(promotion),
                budget=shown.budget(promotion),
                audience=shown.audience(promotion),
                warnings=warnings_of(name, promotion, at),
            )
            for promotion in promotions
        ]
        # One that would not change is named, and left out of what is sent.
        plan = [f"{row.promotion.pk}:{row.promotion.version}" for row in planned if row.fits]
        context = self.admin.admin_site.each_context(request) | {
            "title": f"{move.title} {promotions[0] if len(promotions) == 1 else ''}".strip(),
            "opts": self.admin.opts,
            "move": move,
            "planned": planned,
            "plan": ",".join(plan),
            "form": form,
            "media": self.admin.media + form.media,
            "back": _url(promotions[0].pk if len(promotions) == 1 else None),
        }
        return TemplateResponse(request, "admin/promotions/promotion/move.html", context)


def move_url(name: str, ids: list[int]) -> str:
    """The preview of a move of these promotions."""
    return f"{reverse('admin:promotions_promotion_move', args=[name])}?ids={_joined(ids)}"


def legal_moves(promotion: Promotion) -> list[tuple[str, str]]:
    """The buttons of a promotion's page: words and address."""
    return [
        (move.title, move_url(name, [promotion.pk]))
        for name, move in MOVES.items()
        if move.fits(promotion) and not (move.asks_amount and promotion.budget_left() is None)
    ]


def _joined(ids: list[int]) -> str:
    return ",".join(map(str, ids))


def _ids(text: str) -> list[int]:
    found = (whole_id(part) for part in text.split(",")[:MOST_AT_ONCE])
    return [number for number in found if number is not None]


def _plan(text: str) -> dict[int, int]:
    """`7:3,9:1`: which promotions, as previewed in which version."""
    plan = {}
    for part in text.split(",")[:MOST_AT_ONCE]:
        pk, version = map(whole_id, part.partition(":")[::2])
        if pk is not None and version is not None:
            plan[pk] = version
    return plan


def _url(promotion_id: int | None) -> str:
    if promotion_id is None:
        return reverse("admin:promotions_promotion_changelist")
    return reverse("admin:promotions_promotion_change", args=[promotion_id])
