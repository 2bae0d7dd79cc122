"""A promotion's life: legal moves, editable fields, effective status. No queries here."""

from datetime import datetime
from decimal import Decimal

from django.db import models


class Status(models.TextChoices):
    """Stored; moves one way only."""

    DRAFT = "draft"
    ACTIVE = "active"
    ENDED = "ended"


MOVES = {
    Status.DRAFT: {Status.ACTIVE},
    Status.ACTIVE: {Status.ENDED},
    Status.ENDED: set(),
}

# What an edit may change, by stored status. A field sent with its stored value is no edit.
EDITABLE: dict[str, frozenset[str] | None] = {
    Status.DRAFT: None,  # everything
    Status.ACTIVE: frozenset({"name", "description"}),
    Status.ENDED: frozenset(),
}


class EffectiveStatus(models.TextChoices):
    """Derived from status, pause, window and budget; never stored."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    BUDGET_EXHAUSTED = "budget_exhausted"
    EXPIRED = "expired"
    ENDED = "ended"


def can_move(present: str, wanted: str) -> bool:
    return wanted in MOVES[Status(present)]


def locked_fields(status: str, changed: set[str]) -> set[str]:
    """Of the changed fields, those this status does not let anyone change."""
    editable = EDITABLE[status]
    return set() if editable is None else changed - editable


def effective_status(
    *,
    status: str,
    paused: bool,
    start_at: datetime,
    end_at: datetime,
    budget_left: Decimal | None,
    at: datetime,
) -> EffectiveStatus:
    """What a promotion is for its users at `at`. `budget_left` is None when unlimited."""
    if status != Status.ACTIVE:
        return EffectiveStatus(status)
    if at >= end_at:
        return EffectiveStatus.EXPIRED
    if paused:
        return EffectiveStatus.PAUSED
    if at < start_at:
        return EffectiveStatus.SCHEDULED
    if budget_left is not None and budget_left <= 0:
        return EffectiveStatus.BUDGET_EXHAUSTED
    return EffectiveStatus.RUNNING
