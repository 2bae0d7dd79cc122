"""The tabs of one promotion's page, each with only what it needs; higher apps add panels."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import pii
from accounts.models import Pool, User
from promopulse.lib import money
from promopulse.lib.admin import shown as looks
from promotions.admin import extensions, shown
from promotions.models import Promotion
from promotions.states import Status

TABS = ("Overview", "Rules", "Audience", "Codes", "Performance", "History")
TRAIL_ROWS = 50
NAMED = 50

_NOTHING = {
    "rules": "It gives no discount. In a draft one can be set on the Overview tab.",
    "codes": "No coupon book belongs to it.",
    "performance": "Nothing was counted for it yet.",
}


@dataclass(frozen=True)
class Drawn:
    title: str
    body: SafeString | str


def chosen(request: HttpRequest) -> str:
    """The tab an address asks for; a form that was sent is on the first."""
    wanted = request.GET.get("tab", "")
    known = [tab.lower() for tab in TABS]
    return wanted if wanted in known and request.method != "POST" else known[0]


def context(request: HttpRequest, promotion: Promotion) -> dict[str, Any]:
    """What the page's template shows beside the form."""
    tab, at = chosen(request), promotion.judged_at  # type: ignore[attr-defined]
    page = reverse("admin:promotions_promotion_change", args=[promotion.pk])
    found: dict[str, Any] = {
        "tab": tab,
        "tabs": [(name, f"{page}?tab={name.lower()}", name.lower() == tab) for name in TABS],
        "said": sentence(promotion),
        "badge": shown.badge(promotion, at),
        "panels": _panels(request, promotion, tab),
        "nothing": _NOTHING.get(tab, ""),
    }
    if tab == "history":
        found["trail"] = shown.trail(promotion.pk, TRAIL_ROWS)
    return found


def sentence(promotion: Promotion) -> str:
    """What it gives and when, in plain words."""
    parts = [found for say in extensions.sentences if (found := say([promotion]).get(promotion.pk))]
    start, end = (one.astimezone(promotion.zone) for one in (promotion.start_at, promotion.end_at))
    last = end - timedelta(microseconds=1)
    days = f"{_day(start)} {start.year} – {_day(last)} {last.year}"  # noqa: RUF001
    if start.year == last.year:
        days = f"{_day(start)} – {_day(last)} {last.year}"  # noqa: RUF001
    return ", ".join([*parts, f"{days} ({promotion.timezone})"])


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def _panels(request: HttpRequest, promotion: Promotion, tab: str) -> list[Drawn]:
    own = _OWN.get(tab)
    found = own(promotion) if own else []
    added = sorted(
        (panel for panel in extensions.panels if panel.tab.lower() == tab),
        key=lambda panel: panel.place,
    )
    drawn = [Drawn(panel.title, panel.draw(request, promotion)) for panel in added]
    return [*found, *(one for one in drawn if one.body)]


# Overview


def _overview(promotion: Promotion) -> list[Drawn]:
    return [Drawn("Timeline", _timeline(promotion)), Drawn("Budget", _budget(promotion))]


def _timeline(promotion: Promotion) -> SafeString:
    """Its moments in order, those that have passed marked, and how much of the window is gone."""
    now: datetime = promotion.judged_at  # type: ignore[attr-defined]
    moments = [
        ("Created", promotion.created_at),
        ("Activated", promotion.activated_at),
        ("Starts", promotion.start_at),
        ("Paused", promotion.paused_at),
        ("Ends", promotion.end_at),
        ("Ended", promotion.ended_at),
    ]
    known = sorted(((name, at) for name, at in moments if at is not None), key=lambda one: one[1])
    rows = format_html_join(
        "",
        '<li class="{}">{}<span>{}</span><div>{}</div></li>',
        (
            (
                "pp-past" if at <= now else "",
                looks.sign("check" if at <= now else "clock"),
                name,
                looks.moment_in(at, promotion.zone),
            )
            for name, at in known
        ),
    )
    length = promotion.end_at - promotion.start_at
    gone = min(max(now - promotion.start_at, timedelta(0)), length)
    bar = looks.bar(int(gone.total_seconds()), int(length.total_seconds()), "Window gone by")
    return format_html('<ol class="pp-timeline">{}</ol>{}', rows, bar)


def _budget(promotion: Promotion) -> SafeString:
    budget: Any = getattr(promotion, "budget", None)
    if budget is None:
        return SafeString("Unlimited: there is no budget that it spends from.")

    def figure(amount: Any) -> str:
        return f"{money.round_money(amount, promotion.currency):,} {promotion.currency}"

    ledger = f"{reverse('admin:promotions_budgetentry_changelist')}?q={promotion.pk}"
    return format_html(
        '{}{}<p class="pp-moves pp-after"><a class="pp-link" href="{}">The ledger</a></p>',
        looks.facts(
            [
                ("Total", figure(budget.total)),
                ("Spent", figure(budget.spent)),
                ("Reserved", figure(budget.reserved)),
                ("Left", figure(budget.left)),
            ]
        ),
        looks.bar(budget.spent + budget.reserved, budget.total, "Budget used", warns=True),
        ledger,
    )


def locked_words(promotion: Promotion) -> str:
    """Why most of it cannot be edited; empty for a draft."""
    if promotion.status == Status.ENDED:
        return "It has ended: nothing can be changed. Duplicate it to start over."
    if promotion.status == Status.ACTIVE and promotion.activated_at is not None:
        since = looks.moment(promotion.activated_at)
        return (
            f"Active since {since}: window, zone, currency, audience and discount are fixed. The "
            "name and the description can be edited; money can be added to the budget."
        )
    return ""


# Rules and audience


def _rules(promotion: Promotion) -> list[Drawn]:
    rows = [
        ("Window", shown.window(promotion)),
        ("Currency", promotion.currency),
        ("A day", f"is local to {promotion.timezone}"),
        ("Budget", shown.budget(promotion)),
        ("Open to", shown.audience(promotion)),
    ]
    return [Drawn("When, and how much", looks.facts(rows))]


def _audience(promotion: Promotion) -> list[Drawn]:
    whom = [Drawn("Whom it reaches", looks.facts([("People", shown.reach(promotion))]))]
    if not promotion.is_targeted:
        return whom
    pools = Pool.objects.filter(promotiontarget__promotion=promotion).order_by("id")[:NAMED]
    users = User.objects.filter(promotiontarget__promotion=promotion).order_by("id")[:NAMED]
    named = [
        (
            reverse("admin:accounts_pool_change", args=[pool.pk]),
            pool.name,
            looks.plural(pool.user_count, "user"),
        )
        for pool in pools
    ] + [
        (
            reverse("admin:accounts_user_change", args=[user.pk]),
            user.name or f"User {user.pk}",
            pii.mask_email(user.email) or "",
        )
        for user in users
    ]
    rows = format_html_join("", '<tr><td><a href="{}">{}</a></td><td>{}</td></tr>', named)
    body = format_html(
        '<table class="pp-table"><thead><tr><th>Pool or user</th><th></th></tr></thead>'
        "<tbody>{}</tbody></table>",
        rows,
    )
    return [*whom, Drawn(f"Named (the first {NAMED} of each kind)", body)]


_OWN = {"overview": _overview, "rules": _rules, "audience": _audience}
