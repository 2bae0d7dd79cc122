"""How the admin says things: badges, bars, moments. Text, sign and colour, never colour alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from promopulse.lib.words import plural as plural  # the pages' words too

UTC_ZONE = ZoneInfo("UTC")


class Tone(StrEnum):
    """What a colour stands for."""

    GOOD = "good"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"
    CALM = "calm"


# Strokes in a square of 16, drawn in the colour of the text.
_SIGNS = {
    "pencil": "M3 13l.7-3L10.5 3.2l2.3 2.3L6 12.3z",
    "clock": "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11zM8 5.2V8l2 1.3",
    "play": "M5 3.5v9l7.5-4.5z",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "none": "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11zM4.2 11.8l7.6-7.6",
    "past": "M4 2.5h8M4 13.5h8M5 2.5c0 4 6 7 6 11M11 2.5c0 4-6 7-6 11",
    "stop": "M4 4h8v8H4z",
    "letter": "M2.5 4h11v8h-11zM2.5 4.5L8 9l5.5-4.5",
    "again": "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.5h-2.5",
    "check": "M3 8.5l3.3 3.3L13 4.7",
    "cross": "M4 4l8 8M12 4l-8 8",
    "same": "M3.5 6h9M3.5 10h9",
    "warn": "M8 2.5l6 11H2zM8 6.5v3.2M8 11.5v.3",
    "lock": "M4 7.5h8v6H4zM5.5 7.5V5.2a2.5 2.5 0 0 1 5 0v2.3",
    "ticket": "M2.5 4.5h11V7a1.2 1.2 0 0 0 0 2v2.5h-11V9a1.2 1.2 0 0 0 0-2zM9.8 4.5v7",
    "person": "M8 3a2.5 2.5 0 1 1 0 5a2.5 2.5 0 0 1 0-5zM3.5 13.5c0-5 9-5 9 0",
}


def sign(name: str) -> SafeString:
    """A drawn sign; the words beside it say the same."""
    return format_html(
        '<svg class="pp-sign" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>',
        _SIGNS[name],
    )


def badge(sign_name: str, word: str, tone: Tone, hint: str = "") -> SafeString:
    """A state: sign and word in a colour, and below what it means now."""
    words = format_html(
        '<span class="pp-badge pp-{}">{}{}</span>', tone.value, sign(sign_name), word
    )
    return format_html('{}<span class="pp-hint">{}</span>', words, hint) if hint else words


NEARLY = 80


def bar(
    part: Decimal | int, whole: Decimal | int, label: str, *, warns: bool = False
) -> SafeString:
    """How much of something is taken; empty where nothing is. `warns` from 80 % on."""
    share = min(100, int(100 * part / whole)) if whole else 0
    # A little that is taken is seen.
    value = max(1, share) if part > 0 and whole else 0
    return format_html(
        '<progress class="pp-bar{}" max="100" value="{}" aria-label="{}"></progress>',
        " pp-nearly" if warns and share >= NEARLY else "",
        value,
        label,
    )


def progress(done: int, total: int, label: str, hint: str = "") -> SafeString:
    """`3 of 10` with a bar that readers of screens follow."""
    share = min(100, 100 * done // total) if total else 100
    return format_html(
        '{} of {}<progress class="pp-bar" role="progressbar" max="100" value="{}" '
        'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{}" aria-label="{}">'
        '</progress><span class="pp-hint">{}</span>',
        f"{done:,}",
        f"{total:,}",
        share,
        share,
        label,
        hint,
    )


def time_left(done: int, total: int, gone: timedelta) -> str:
    """How long it will still take, if it goes on as it went; nothing where that is not known."""
    if not done:
        return ""
    left = gone / done * max(0, total - done)
    return f"about {span(left)} left" if left >= timedelta(minutes=1) else "a moment left"


def span(length: timedelta) -> str:
    """`3 d 4 h`, `4 h 10 min`, `10 min`: the two largest units."""
    minutes = int(length.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h")) if number]
    if not days and (rest or not parts):
        parts.append(f"{rest} min")
    return " ".join(parts)


def moment(at: datetime, zone: ZoneInfo = UTC_ZONE) -> str:
    """`1 Jun 2026 00:00 CEST`."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b} {local.year} {local:%H:%M %Z}"


def moment_in(at: datetime | None, zone: ZoneInfo) -> SafeString:
    """A moment by the clocks of a zone, and in UTC below."""
    if at is None:
        return SafeString("-")
    if zone.key == "UTC":
        return format_html("{}", moment(at))
    return format_html('{}<span class="pp-hint">{}</span>', moment(at, zone), moment(at))


def window(start: datetime, end: datetime, zone: ZoneInfo) -> SafeString:
    """From when to when, by the clocks of a zone and in UTC."""

    def line(clocks: ZoneInfo) -> SafeString:
        return format_html(
            '<span class="pp-nowrap">{} –</span> <span class="pp-nowrap">{}</span>',  # noqa: RUF001
            moment(start, clocks),
            moment(end, clocks),
        )

    if zone.key == "UTC":
        return line(UTC_ZONE)
    return format_html(
        '{} <span class="pp-hint">{} · {}</span>', line(zone), zone.key, line(UTC_ZONE)
    )


def facts(rows: list[tuple[str, Any]]) -> SafeString:
    """Names and values, one line each."""
    lines = format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows)
    return format_html('<dl class="pp-facts">{}</dl>', lines)


def link(view: str, pk: Any, words: Any) -> SafeString:
    """A link to a row's page."""
    return format_html('<a class="pp-link" href="{}">{}</a>', reverse(view, args=[pk]), words)


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> SafeString | str:
    """A small table; nothing where it would be empty."""
    if not rows:
        return ""
    lines = ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    return format_html(
        '<div class="pp-scroll" tabindex="0"><table class="pp-table"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        format_html_join("", "<th>{}</th>", ((head,) for head in heads)),
        format_html_join("", "<tr>{}</tr>", lines),
    )
