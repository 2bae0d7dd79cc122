"""How the admin says things about a promotion: badge, window, money, trail."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import AuditEntry
from promopulse.lib import money
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.shown import Tone
from promotions import previews, selectors
from promotions.admin import extensions
from promotions.models import Promotion
from promotions.states import EffectiveStatus

# Sign and tone of each badge.
_LOOKS = {
    EffectiveStatus.DRAFT: ("pencil", Tone.CALM),
    EffectiveStatus.SCHEDULED: ("clock", Tone.WAIT),
    EffectiveStatus.RUNNING: ("play", Tone.GOOD),
    EffectiveStatus.PAUSED: ("pause", Tone.WARN),
    EffectiveStatus.BUDGET_EXHAUSTED: ("none", Tone.BAD),
    EffectiveStatus.EXPIRED: ("past", Tone.WARN),
    EffectiveStatus.ENDED: ("stop", Tone.CALM),
}
NAMES = {
    **{status: status.label for status in EffectiveStatus},
    EffectiveStatus.BUDGET_EXHAUSTED: "Budget used up",
}


def badge(promotion: Promotion, at: datetime) -> SafeString:
    status = promotion.effective_status(at)
    sign, tone = _LOOKS[status]
    return looks.badge(sign, NAMES[status], tone, hint(promotion, at))


def hint(promotion: Promotion, at: datetime) -> str:
    """What the badge means for this promotion now."""
    match promotion.effective_status(at):
        case EffectiveStatus.DRAFT:
            return "Not visible to customers"
        case EffectiveStatus.SCHEDULED:
            return f"Starts in {looks.span(promotion.start_at - at)}"
        case EffectiveStatus.RUNNING:
            return f"Ends in {looks.span(promotion.end_at - at)}"
        case EffectiveStatus.PAUSED:
            return promotion.pause_reason or "No reason given"
        case EffectiveStatus.BUDGET_EXHAUSTED:
            return f"{_of_total(promotion)}: top it up to go on"
        case EffectiveStatus.EXPIRED:
            return "End it to close the books"
        case _:
            return "Read-only"


def window(promotion: Promotion) -> SafeString:
    """From when to when, in the promotion's zone and in UTC."""
    return looks.window(promotion.start_at, promotion.end_at, promotion.zone)


def budget(promotion: Promotion) -> SafeString:
    """`1,200.00 of 10,000.00 EUR` with a bar, or that there is no limit."""
    found: Any = getattr(promotion, "budget", None)
    if found is None:
        return SafeString("Unlimited")
    words = f"{_of_total(promotion)} {promotion.currency}"
    return format_html("{}{}", words, looks.bar(found.used, found.total, "Budget used", warns=True))


def of_budget(promotion: Promotion, column: str) -> str | None:
    """One figure of a budget as it is exported; None where there is none."""
    found = getattr(promotion, "budget", None)
    return money.money_text(getattr(found, column), promotion.currency) if found else None


def _of_total(promotion: Promotion) -> str:
    found = promotion.budget
    return f"{_figure(found.used, promotion)} of {_figure(found.total, promotion)}"


def _figure(amount: Any, promotion: Promotion) -> str:
    return f"{money.round_money(amount, promotion.currency):,}"


def audience(promotion: Promotion) -> str:
    if not promotion.is_targeted:
        return "Everybody"
    named = selectors.audience_of(promotion)
    users, pools = len(named.target_user_ids), len(named.target_pool_ids)
    return f"{looks.plural(users, 'user')} and {looks.plural(pools, 'pool')}"


def reach(promotion: Promotion, **counted: int) -> str:
    """For how many people it is."""
    found = previews.reach(promotion, **counted)
    whom = "named or in a pool of its audience" if promotion.is_targeted else "every customer"
    count = f"{found.people:,} or more" if found.more else f"{found.people:,}"
    return f"{count} ({whom})"


def facts_of_move(move: str, promotion: Promotion, at: datetime) -> SafeString:
    """What will happen to one promotion, fact by fact."""
    when = partial(looks.moment_in, zone=promotion.zone)
    rows: list[tuple[str, Any]] = [("Now", badge(promotion, at))]
    if move == "activate":
        rows += [
            ("Visible", "To its audience, at once"),
            ("Runs from", "At once" if promotion.start_at <= at else when(promotion.start_at)),
            ("Until", when(promotion.end_at)),
            ("For", reach(promotion)),
            ("Budget", budget(promotion)),
        ]
    elif move == "end":
        left = promotion.end_at - at
        early = f"{looks.span(left)} early" if left > timedelta(0) else "Its window is over"
        rows += [
            ("Stops", format_html("At once<span class='pp-hint'>{}</span>", early)),
            ("Window", window(promotion)),
            ("For", reach(promotion)),
            ("Budget", budget(promotion)),
        ]
    else:
        rows += [("Window", window(promotion)), ("Budget", budget(promotion))]
    for more in extensions.move_facts:
        rows += more(move, promotion)
    return looks.facts(rows)


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
    return changes(selectors.history(promotion_id), most, "promotion.")


def changes(entries: QuerySet[AuditEntry], most: int, prefix: str) -> list[Change]:
    """The newest of some entries of the audit trail; `prefix` of their actions says nothing new."""
    newest = (
        entries.select_related("actor_user", "actor_api_key")
        # Of the person no more than the name: the rest would be decrypted.
        .only(*_TRAIL_COLUMNS)
        .order_by("-id")[:most]
    )
    return [
        Change(
            at=entry.at,
            who=who(entry),
            via=entry.via,
            action=entry.action.removeprefix(prefix).replace("_", " "),
            values=[
                (name, _word(entry.before.get(name)), _word(entry.after.get(name)))
                for name in dict.fromkeys([*entry.before, *entry.after])
            ],
            reason=entry.reason,
            request_id=entry.request_id,
        )
        for entry in newest
    ]


_TRAIL_COLUMNS = (
    *("at", "via", "action", "before", "after", "reason", "request_id"),
    *("actor_user__name", "actor_api_key__name"),
)


def who(entry: AuditEntry) -> str:
    """Who made a change, by name."""
    if entry.actor_user is not None:
        return entry.actor_user.name or f"User {entry.actor_user_id}"
    if entry.actor_api_key is not None:
        return f"API key {entry.actor_api_key.name}"
    return "The system"


def _word(value: Any) -> str:
    return "-" if value in (None, "", [], {}) else str(value)
