"""The front page: where to look next, from rollups and bounded counts only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import ApiKey, AuditEntry, Job
from engagement import pulse
from engagement.pulse import Hour, Queue
from promopulse.lib.admin.charts import Chart, Series, draw
from promopulse.lib.admin.shown import Tone, badge, moment, span
from promopulse.lib.time import db_now
from promotions import figures
from promotions.admin import shown as promotions_shown
from promotions.figures import Figures

DAYS = 30
CHANGES = 6
TOP = 5


@dataclass(frozen=True)
class Tile:
    """A number that is a link to what it counts. Its tone is that of trouble only if there is."""

    words: str
    number: str
    url: str
    tone: Tone = Tone.CALM


def add(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the theme asks for when it draws the index."""
    now = db_now()
    may = request.user.has_perm
    context |= {"title": "Dashboard", "as_of": moment(now), "now": now}
    found = figures.figures()
    quiet = pulse.is_quiet()
    if quiet:
        context["steps"] = _first_steps(found)
    waiting = pulse.queue(now)
    context["tiles"] = _tiles(found, waiting, now, may)
    if not quiet:
        context["charts"] = [draw(chart) for chart in _of_days(now)]
        context["top"] = [
            {
                "name": one.name,
                "url": reverse("admin:promotions_promotion_change", args=[one.pk]),
                "budget": promotions_shown.budget(one),
            }
            for one in figures.top_spenders(TOP)
        ]
    if may("engagement.view_ingestbatch"):
        hour = pulse.last_hour(now)
        context["minutes"] = draw(_of_minutes(hour))
        context["queue"] = _health(waiting, hour, now)
    if may("accounts.view_auditentry"):
        context["changes"] = _changes()
    return context


# Tiles


def _tiles(found: Figures, queue: Queue, now: datetime, may: Any) -> list[Tile]:
    promotions = reverse("admin:promotions_promotion_changelist")

    def listed(**query: Any) -> str:
        return f"{promotions}?{urlencode(query)}"

    tiles = [
        Tile("running", f"{found.running:,}", listed(effective_status="running")),
        Tile("start within 48 h", f"{found.starting:,}", listed(starts="48")),
        Tile("end within 7 days", f"{found.ending:,}", listed(ends="168")),
        Tile("budget 80 % used", f"{found.nearly_spent:,}", listed(budget="80"), Tone.WARN),
        Tile("paused", f"{found.paused:,}", listed(effective_status="paused"), Tone.WARN),
    ]
    if may("engagement.view_deadletterevent"):
        letters = reverse("admin:engagement_deadletterevent_changelist")
        tiles.append(Tile("dead letters in 24 h", _bounded(queue.dead), letters, Tone.BAD))
    if may("accounts.view_job"):
        since = now - timedelta(days=7)
        failed = Job.objects.filter(state=Job.State.FAILED, finished_at__gt=since)
        only = urlencode({"state__exact": "failed", "finished_at__gte": since.isoformat()})
        jobs = f"{reverse('admin:accounts_job_changelist')}?{only}"
        tiles.append(Tile("failed jobs in 7 days", f"{failed.count():,}", jobs, Tone.BAD))
    return tiles


def _bounded(number: int) -> str:
    return f"{number:,}+" if number >= pulse.WAITING_COUNTED else f"{number:,}"


# Charts


def _of_days(now: datetime) -> list[Chart]:
    found = pulse.redemptions(now, DAYS)
    labels = [f"{day.day} {day:%b}" for day in found.days]
    charts = [
        Chart(
            f"Redemptions, {DAYS} days",
            labels,
            [Series("redemptions", found.redemptions)],
        )
    ]
    value = sorted(found.value.items(), key=lambda one: -sum(one[1]))
    for currency, amounts in value[:1]:
        others = ", ".join(name for name, _amounts in value[1:])
        charts.append(
            Chart(
                f"Value redeemed, {DAYS} days",
                labels,
                [Series(currency, amounts)],
                note=f"Also in {others}." if others else "",
            )
        )
    return charts


def _of_minutes(hour: Hour) -> Chart:
    ago = range(pulse.MINUTES - 1, -1, -1)
    return Chart(
        "Events a minute, last hour",
        ["now" if minutes == 0 else f"{minutes} min ago" for minutes in ago],
        [
            Series("accepted", hour.accepted),
            Series("processed", hour.processed),
            Series("failed", hour.failed),
        ],
        note=f"Of the last {pulse.REQUESTS_LOOKED_AT:,} requests only." if hour.partial else "",
        kind="lines",
    )


# Queue health

WAITING_WARN, WAITING_BAD = 100, 5_000
OLDEST_WARN, OLDEST_BAD = 10.0, 60.0
DELAY_WARN, DELAY_BAD = 1.0, 10.0


def _health(queue: Queue, hour: Hour, now: datetime) -> list[tuple[str, Any, str]]:
    """Name, badge and threshold of each part."""
    delay = hour.delay or 0.0
    rows = [
        (
            "Waiting requests",
            _judged(queue.waiting, _bounded(queue.waiting), WAITING_WARN, WAITING_BAD),
            f"warns at {WAITING_WARN:,}, bad at {WAITING_BAD:,}",
        ),
        (
            "The oldest waits",
            _judged(queue.oldest, f"{queue.oldest:.0f} s", OLDEST_WARN, OLDEST_BAD),
            f"warns at {OLDEST_WARN:.0f} s, bad at {OLDEST_BAD:.0f} s",
        ),
        (
            "Delay until counted (p95)",
            _judged(delay, _seconds(hour.delay), DELAY_WARN, DELAY_BAD),
            f"of the last hour; warns at {DELAY_WARN:.0f} s, bad at {DELAY_BAD:.0f} s",
        ),
        ("Workers", _workers(queue), "one must have left word within 15 s"),
        (
            "Being retried",
            badge("again", _bounded(queue.retrying), Tone.WARN if queue.retrying else Tone.GOOD),
            "events whose user or promotion is not known yet, or that failed for now",
        ),
    ]
    if queue.paused_at is not None:
        since = span(now - queue.paused_at)
        words = "most events failed alike: mend that, it resumes by itself"
        rows.insert(0, ("Consumption", badge("pause", f"Paused {since} ago", Tone.BAD), words))
    return rows


def _judged(value: float, words: str, warn: float, bad: float) -> Any:
    if value >= bad:
        return badge("cross", words, Tone.BAD)
    if value >= warn:
        return badge("warn", words, Tone.WARN)
    return badge("check", words, Tone.GOOD)


def _seconds(value: float | None) -> str:
    if value is None:
        return "no events"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _workers(queue: Queue) -> Any:
    if queue.worker is None:
        return badge("warn", "Redis is away", Tone.BAD)
    return badge("check", "Alive", Tone.GOOD) if queue.worker else badge("cross", "None", Tone.BAD)


# Recent changes, first steps


def _changes() -> list[dict[str, Any]]:
    columns = (
        *("at", "via", "action", "object_type", "object_id"),
        *("actor_user__name", "actor_api_key__name"),
    )
    entries = (
        AuditEntry.objects.select_related("actor_user", "actor_api_key")
        .only(*columns)
        .order_by("-id")[:CHANGES]
    )
    return [
        {
            "at": entry.at,
            "who": promotions_shown.who(entry),
            "what": entry.action.replace("_", " ").replace(".", ": "),
            "url": reverse("admin:accounts_auditentry_change", args=[entry.pk]),
            "about": f"{entry.object_type} {entry.object_id}",
        }
        for entry in entries
    ]


@dataclass(frozen=True)
class Step:
    words: str
    hint: str
    url: str
    done: bool


def _first_steps(found: Figures) -> list[Step]:
    """What to do in a fresh installation, with what is done already."""
    promotions = reverse("admin:promotions_promotion_changelist")
    started = found.active > 0
    return [
        Step(
            "Create a promotion",
            "Name, window and zone; it stays a draft that customers do not see.",
            reverse("admin:promotions_promotion_add"),
            started or found.drafts > 0,
        ),
        Step(
            "Activate it",
            "The preview says what will happen, and to how many people.",
            f"{promotions}?effective_status=draft",
            started,
        ),
        Step(
            "Make an API key",
            "Your shop or app sends it with each request.",
            reverse("admin:accounts_apikey_changelist"),
            ApiKey.objects.filter(revoked_at=None).exists(),
        ),
        Step(
            "Send the first event",
            "The API documentation has the line to copy.",
            f"{reverse('docs')}#/events/events_ingest_create",
            False,
        ),
    ]
