"""The tabs of one promotion's page, each with only what it needs; higher apps add panels."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import pii
from accounts.models import Pool, User
from promopulse.lib import money
from promopulse.lib.admin import panels
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.panels import Panel
from promotions.admin import extensions, shown
from promotions.models import Promotion
from promotions.states import Status

TABS = ("Overview", "Rules", "Audience", "Codes", "Performance", "History")
TRAIL_ROWS = 50
NAMED = 50
# People are counted so far on a tab that is only looked at; before a move is made, further.
COUNTED_HERE = 1_000

_NOTHING = {
    "rules": "It gives no discount. In a draft one can be set on the Overview tab.",
    "codes": "No coupon book belongs to it.",
    "performance": "Nothing was counted for it yet.",
}


def context(request: HttpRequest, promotion: Promotion) -> dict[str, Any]:
    """What the page's template shows beside the form."""
    page = reverse("admin:promotions_promotion_change", args=[promotion.pk])
    every = [*_OWN, *extensions.panels]
    found = panels.context(request, promotion, page=page, tabs=TABS, panels=every)
    found |= {
        "said": sentence(promotion),
        "badge": shown.badge(promotion, promotion.judged_at),  # type: ignore[attr-defined]
        "nothing": _NOTHING.get(found["tab"], ""),
        "locked": locked_words(promotion),
        "lock_sign": looks.sign("lock"),
    }
    if found["tab"] == "history":
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


# Overview


def _timeline(_request: HttpRequest, promotion: Promotion) -> SafeString:
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


def _budget(_request: HttpRequest, promotion: Promotion) -> SafeString:
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


def _rules(_request: HttpRequest, promotion: Promotion) -> SafeString:
    rows = [
        ("Window", shown.window(promotion)),
        ("Currency", promotion.currency),
        ("A day", f"is local to {promotion.timezone}"),
        ("Budget", shown.budget(promotion)),
        ("Open to", shown.audience(promotion)),
    ]
    return looks.facts(rows)


def _reached(_request: HttpRequest, promotion: Promotion) -> SafeString:
    return looks.facts([("People", shown.reach(promotion, counted_to=COUNTED_HERE))])


def _named(_request: HttpRequest, promotion: Promotion) -> SafeString | str:
    """The pools and users of a targeted promotion."""
    if not promotion.is_targeted:
        return ""
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
    return format_html(
        '<table class="pp-table"><thead><tr><th>Pool or user</th><th></th></tr></thead>'
        "<tbody>{}</tbody></table>",
        rows,
    )


_OWN = (
    Panel("overview", "Timeline", _timeline, 10),
    Panel("overview", "Budget", _budget, 20),
    Panel("rules", "When, and how much", _rules, 5),
    Panel("audience", "Whom it reaches", _reached, 10),
    Panel("audience", f"Named (the first {NAMED} of each kind)", _named, 20),
)
