"""What engagement adds to the page of a promotion: how it performs."""

from datetime import timedelta
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncDay
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from engagement.models import EventStat, EventType
from engagement.stats import read_totals
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.charts import Chart, Series, draw
from promopulse.lib.time import db_now
from promotions.admin.extensions import Panel, panels
from promotions.models import Promotion

DAYS = 30
_STEPS = ((EventType.VIEW, "Views"), (EventType.CLICK, "Clicks"), (EventType.REDEEM, "Redemptions"))


def funnel(request: HttpRequest, promotion: Promotion) -> SafeString | str:
    """From views to redemptions, and the way to the hours."""
    steps = steps_of(promotion)
    if not steps:
        return ""
    return format_html(
        '{}<p class="pp-moves pp-after"><a class="pp-link" href="{}?q={}">Counts by hour</a></p>',
        steps,
        reverse("admin:engagement_eventstat_changelist"),
        promotion.pk,
    )


def steps_of(promotion: Promotion) -> SafeString | str:
    """Views, clicks and redemptions with their people and rates; nothing before the first."""
    totals = read_totals(promotion.pk)
    if not any(total.events for total in totals.values()):
        return ""
    most = max(total.events for total in totals.values())
    views = totals[EventType.VIEW].events
    rows = format_html_join(
        "",
        '<tr><td>{}{}</td><td class="pp-number">{}</td><td class="pp-number">{}</td>'
        '<td class="pp-number">{}</td></tr>',
        (
            (
                name,
                looks.bar(totals[kind].events, most, name),
                f"{totals[kind].events:,}",
                f"{totals[kind].users or 0:,}",
                f"{100 * totals[kind].events / views:.1f} %" if views else "-",
            )
            for kind, name in _STEPS
        ),
    )
    return format_html(
        '<table class="pp-table"><thead><tr><th>Step</th><th class="pp-number">Events</th>'
        '<th class="pp-number">People</th><th class="pp-number">Of views</th></tr></thead>'
        "<tbody>{}</tbody></table>",
        rows,
    )


def by_day(request: HttpRequest, promotion: Promotion) -> SafeString | str:
    """Events and value of the last days."""
    today = db_now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    found = (
        EventStat.objects.filter(promotion_id=promotion.pk, hour__gte=days[0])
        .annotate(day=TruncDay("hour"))
        .values_list("day", "type")
        .annotate(events=Sum("events"), amount=Sum("amount"))
        .order_by()
    )
    counts = {(day, kind): (events, amount) for day, kind, events, amount in found}
    if not counts:
        return ""
    labels = [f"{day.day} {day:%b}" for day in days]

    def of(kind: str, column: int) -> list[int | Decimal]:
        return [counts.get((day, kind), (0, Decimal(0)))[column] for day in days]

    charts = [
        Chart(
            f"Events, {DAYS} days (UTC)",
            labels,
            [Series(name.lower(), of(kind, 0)) for kind, name in _STEPS],
            kind="lines",
        )
    ]
    value = of(EventType.REDEEM, 1)
    if any(value):
        charts.append(Chart("Value redeemed", labels, [Series(promotion.currency, value)]))
    return format_html_join("", "{}", ((draw(chart),) for chart in charts))


panels.append(Panel("performance", "From view to redemption", funnel, place=10))
panels.append(Panel("performance", "By day", by_day, place=20))
