"""Charts drawn on the server: shapes in SVG that stretch, words in HTML that do not, and a table.

Series differ by stroke as well as by colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT = 600, 120
_GRID = "".join(f"M0 {high}H{WIDTH}" for high in (0.5, HEIGHT / 2, HEIGHT - 0.5))


@dataclass(frozen=True)
class Series:
    """Numbers under one name, one for each label of the chart."""

    name: str
    values: Sequence[Decimal | int]
    unit: str = ""


@dataclass(frozen=True)
class Chart:
    """`labels` name the places along the time axis, the oldest first; `note` is said below."""

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    note: str = ""
    kind: str = "bars"


def draw(chart: Chart) -> SafeString:
    """The figure: title with its total, plot, axis, table."""
    most = max((value for one in chart.series for value in one.values), default=0)
    shapes = _bars if chart.kind == "bars" else _lines
    drawn = [shapes(one.values, _nice(most), number) for number, one in enumerate(chart.series)]
    return format_html(
        '<figure class="pp-chart"><figcaption>{}{}</figcaption>'
        '<div class="pp-plot"><div class="pp-axis" aria-hidden="true"><span>{}</span>'
        "<span>0</span></div>"
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}{}</svg>'
        "</div>"
        '<div class="pp-times" aria-hidden="true">{}</div>{}{}</figure>',
        format_html("<strong>{}</strong>", chart.title),
        _legend(chart),
        figure(_nice(most)),
        WIDTH,
        HEIGHT,
        _said(chart),
        mark_safe(f'<path class="pp-grid" d="{_GRID}"/>'),  # noqa: S308
        mark_safe("".join(drawn)),  # noqa: S308 - numbers only
        format_html_join("", "<span>{}</span>", ((one,) for one in _ends(chart.labels))),
        format_html('<p class="pp-hint">{}</p>', chart.note) if chart.note else "",
        _table(chart),
    )


def figure(value: Any) -> str:
    """`1,234` or `12.50`: as many decimals as there are."""
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}" if value == value.to_integral() else f"{value:,.2f}"
    return f"{value:,}"


def _nice(most: Any) -> int:
    """The end of the axis: one digit with zeros, not below the highest value."""
    step = 1
    while True:
        for factor in (1, 2, 3, 4, 5, 6, 8):
            if factor * step >= most:
                return factor * step
        step *= 10


def _bars(values: Sequence[Any], top: int, number: int) -> str:
    wide = WIDTH / max(1, len(values))
    parts = []
    for place, value in enumerate(values):
        if value:
            high = max(1.5, float(value) / top * (HEIGHT - 2))
            parts.append(f"M{place * wide + wide * 0.15:.1f} {HEIGHT}v-{high:.1f}h{wide * 0.7:.1f}")
            parts.append(f"v{high:.1f}z")
    return f'<path class="pp-shape pp-series-{number}" d="{"".join(parts)}"/>'


def _lines(values: Sequence[Any], top: int, number: int) -> str:
    wide = WIDTH / max(1, len(values) - 1)
    points = " ".join(
        f"{place * wide:.1f},{HEIGHT - 1 - float(value) / top * (HEIGHT - 2):.1f}"
        for place, value in enumerate(values)
    )
    return f'<polyline class="pp-line pp-series-{number}" points="{points}"/>'


def _legend(chart: Chart) -> SafeString:
    """The series by name, each with its total and, where there are more, its stroke."""
    key = (
        '<span class="pp-key"><svg viewBox="0 0 18 6" aria-hidden="true">'
        '<path class="pp-line pp-series-{}" d="M0 3H18"/></svg>{} {}</span>'
    )
    plain = '<span class="pp-key"><span hidden>{}</span>{} {}</span>'
    return format_html_join(
        "",
        key if len(chart.series) > 1 else plain,
        ((number, figure(sum(one.values)), one.name) for number, one in enumerate(chart.series)),
    )


def _said(chart: Chart) -> str:
    told = ", ".join(f"{figure(sum(one.values))} {one.name}" for one in chart.series)
    return f"{chart.title}: {told}. The table below has every number."


def _ends(labels: Sequence[str]) -> list[str]:
    if len(labels) < 3:
        return list(labels)
    return [labels[0], labels[len(labels) // 2], labels[-1]]


def _table(chart: Chart) -> SafeString:
    """Newest first, and only the places where there is something."""
    rows = [
        (label, [one.values[place] for one in chart.series])
        for place, label in enumerate(chart.labels)
    ]
    told = [(label, values) for label, values in reversed(rows) if any(values)]
    if not told:
        return SafeString("")
    return format_html(
        '<details class="pp-data"><summary>Table</summary><div class="pp-scroll" tabindex="0">'
        '<table class="pp-table"><thead><tr><th>When</th>{}</tr></thead><tbody>{}</tbody></table>'
        "</div></details>",
        format_html_join("", '<th class="pp-number">{}</th>', ((s.name,) for s in chart.series)),
        format_html_join(
            "",
            "<tr><td>{}</td>{}</tr>",
            (
                (
                    label,
                    format_html_join(
                        "", '<td class="pp-number">{}</td>', ((figure(one),) for one in values)
                    ),
                )
                for label, values in told
            ),
        ),
    )
