"""How the admin says things about a promotion: badge, window, money, trail."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import AuditEntry
from promopulse.lib import money
from promotions import selectors
from promotions.models import Promotion
from promotions.states import EffectiveStatus

UTC_ZONE = ZoneInfo("UTC")

# A sign beside the colour: nothing is told by colour alone.
_SIGNS = {
    EffectiveStatus.DRAFT: "✎",
    EffectiveStatus.SCHEDULED: "◷",
    EffectiveStatus.RUNNING: "▶",
    EffectiveStatus.PAUSED: "‖",
    EffectiveStatus.BUDGET_EXHAUSTED: "∅",
    EffectiveStatus.EXPIRED: "⌛",
    EffectiveStatus.ENDED: "■",
}
NAMES = {
    **{status: status.label for status in EffectiveStatus},
    EffectiveStatus.BUDGET_EXHAUSTED: "Budget used up",
}


def badge(promotion: Promotion, at: datetime) -> SafeString:
    status = promotion.effective_status(at)
    return format_html(
        '<span class="pp-badge pp-{}"><span aria-hidden="true">{}</span> {}</span>'
        '<span class="pp-hint">{}</span>',
        status.value,
        _SIGNS[status],
        NAMES[status],
        hint(promotion, at),
    )


def hint(promotion: Promotion, at: datetime) -> str:
    """What the badge means for this promotion now."""
    match promotion.effective_status(at):
        case EffectiveStatus.DRAFT:
            return "Not visible to customers"
        case EffectiveStatus.SCHEDULED:
            return f"Starts in {span(promotion.start_at - at)}"
        case EffectiveStatus.RUNNING:
            return f"Ends in {span(promotion.end_at - at)}"
        case EffectiveStatus.PAUSED:
            return promotion.pause_reason or "No reason given"
        case EffectiveStatus.BUDGET_EXHAUSTED:
            return "Top it up to go on"
        case EffectiveStatus.EXPIRED:
            return "End it to close the books"
        case _:
            return "Read-only"


def span(length: timedelta) -> str:
    """`3 d 4 h`, `4 h 10 min`, `10 min`: the two largest units."""
    minutes = int(length.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h")) if number]
    if not days and (rest or not parts):
        parts.append(f"{rest} min")
    return " ".join(parts)


def moment(at: datetime, zone: ZoneInfo) -> str:
    """`1 Jun 2026 00:00 CEST`."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b} {local.year} {local:%H:%M %Z}"


def window(promotion: Promotion) -> SafeString:
    """From when to when, in the promotion's zone and in UTC."""

    def line(zone: ZoneInfo) -> str:
        return f"{moment(promotion.start_at, zone)} - {moment(promotion.end_at, zone)}"

    if promotion.timezone == "UTC":
        return format_html("{}", line(UTC_ZONE))
    return format_html(
        '{} <span class="pp-hint">{}<br>{}</span>',
        line(promotion.zone),
        promotion.timezone,
        line(UTC_ZONE),
    )


def budget(promotion: Promotion) -> SafeString:
    """`1,200.00 of 10,000.00 EUR` with a bar, or that there is no limit."""
    found: Any = getattr(promotion, "budget", None)
    if found is None:
        return SafeString("Unlimited")
    taken = found.reserved + found.spent
    words = f"{_figure(taken, promotion)} of {_figure(found.total, promotion)} {promotion.currency}"
    return format_html(
        '{} <progress class="pp-bar" max="100" value="{}" aria-label="Budget used"></progress>',
        words,
        int(100 * taken / found.total) if found.total else 100,
    )


def _figure(amount: Any, promotion: Promotion) -> str:
    return f"{money.round_money(amount, promotion.currency):,}"


def audience(promotion: Promotion) -> str:
    if not promotion.is_targeted:
        return "Everybody"
    named = selectors.audience_of(promotion)
    users, pools = len(named.target_user_ids), len(named.target_pool_ids)
    return f"{users} user{_s(users)} and {pools} pool{_s(pools)}"


def _s(number: int) -> str:
    return "" if number == 1 else "s"


@dataclass(frozen=True)
class Change:
    """One line of a promotion's trail."""

    at: datetime
    who: str
    via: str
    action: str
    values: list[tuple[str, str, str]]
    reason: str
    request_id: str


def trail(promotion_id: int, most: int) -> list[Change]:
    """The newest changes of a promotion."""
    entries: QuerySet[AuditEntry] = (
        selectors.history(promotion_id)
        .select_related("actor_user", "actor_api_key")
        # Of the person no more than the name: the rest would be decrypted.
        .only(*_TRAIL_COLUMNS)
        .order_by("-id")[:most]
    )
    return [
        Change(
            at=entry.at,
            who=_who(entry),
            via=entry.via,
            action=entry.action.removeprefix("promotion.").replace("_", " "),
            values=[
                (name, _word(entry.before.get(name)), _word(entry.after.get(name)))
                for name in dict.fromkeys([*entry.before, *entry.after])
            ],
            reason=entry.reason,
            request_id=entry.request_id,
        )
        for entry in entries
    ]


_TRAIL_COLUMNS = (
    *("at", "via", "action", "before", "after", "reason", "request_id"),
    *("actor_user__name", "actor_api_key__name"),
)


def _who(entry: AuditEntry) -> str:
    if entry.actor_user is not None:
        return entry.actor_user.name or f"User {entry.actor_user_id}"
    if entry.actor_api_key is not None:
        return f"API key {entry.actor_api_key.name}"
    return "The system"


def _word(value: Any) -> str:
    return "-" if value in (None, "", [], {}) else str(value)
