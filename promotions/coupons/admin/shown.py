"""How the admin says things about books and coupons: badges, bars of states, ends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.shown import Tone
from promotions.coupons.figures import LOW
from promotions.coupons.models import CouponBook
from promotions.coupons.selectors import Counts
from promotions.coupons.states import State

STATES: dict[State, tuple[str, str, Tone]] = {
    State.UNASSIGNED: ("Free", "ticket", Tone.CALM),
    State.ASSIGNED: ("Assigned", "person", Tone.WAIT),
    State.LOCKED: ("Locked", "lock", Tone.WARN),
    State.REDEEMED: ("Redeemed", "check", Tone.GOOD),
    State.EXPIRED: ("Expired", "past", Tone.CALM),
}
NAMES = {state: words for state, (words, _sign, _tone) in STATES.items()}
# As they stand in a bar.
ORDER = tuple(STATES)
WIDTH = 1000


def state_badge(state: State, hint: str = "") -> SafeString:
    words, sign, tone = STATES[state]
    return looks.badge(sign, words, tone, hint)


def count_in(counts: Counts, state: State) -> int:
    return int(getattr(counts, state.lower()))


def book_badge(book: CouponBook, counts: Counts, at: datetime) -> SafeString:
    """Whether codes of a book can be had now."""
    if book.expires_at is not None and book.expires_at <= at:
        return looks.badge("past", "Ended", Tone.CALM)
    if not book.is_active:
        return looks.badge("pause", "Switched off", Tone.WARN)
    if not counts.total:
        return looks.badge("pencil", "Empty", Tone.CALM, "Generate or upload codes")
    if not counts.unassigned:
        return looks.badge("none", "None left", Tone.BAD)
    if counts.unassigned * 100 <= counts.total * LOW:
        return looks.badge("warn", "Few left", Tone.WARN)
    return looks.badge("play", "Open", Tone.GOOD)


def stack(counts: Counts, *, legend: bool = True) -> SafeString:
    """How many codes are in which state: a bar of its parts, and the same in words."""
    if not counts.total:
        return SafeString("No codes yet")
    told = [(state, count_in(counts, state)) for state in ORDER if count_in(counts, state)]
    said = ", ".join(f"{number:,} {NAMES[state].lower()}" for state, number in told)
    return format_html(
        '<figure class="pp-stack"><svg viewBox="0 0 {} 10" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>{}</figure>',
        WIDTH,
        said,
        _parts(told, counts.total),
        _legend(told)
        if legend
        else format_html('<figcaption class="pp-hint">{}</figcaption>', said),
    )


def _parts(told: Sequence[tuple[State, int]], total: int) -> SafeString:
    rows, start = [], 0.0
    # What there is of a state is seen, however little.
    least = WIDTH / 100
    wide = {state: max(least, WIDTH * number / total) for state, number in told}
    scale = WIDTH / sum(wide.values())
    for state, _number in told:
        width = wide[state] * scale
        rows.append((state.lower(), f"{start:.1f}", f"{max(1.0, width - 3):.1f}"))
        start += width
    shape = '<rect class="pp-of-{}" x="{}" y="0" width="{}" height="10"/>'
    return format_html_join("", shape, rows)


def _legend(told: Sequence[tuple[State, int]]) -> SafeString:
    key = (
        '<span class="pp-key"><svg viewBox="0 0 10 10" aria-hidden="true">'
        '<rect class="pp-of-{}" width="10" height="10"/></svg>{} {}</span>'
    )
    rows = ((state.lower(), f"{number:,}", NAMES[state].lower()) for state, number in told)
    return format_html("<figcaption>{}</figcaption>", format_html_join("", key, rows))


def zone_of(book: CouponBook) -> ZoneInfo:
    """The clocks a book goes by: its promotion's."""
    promotion: Any = book.promotion
    return looks.UTC_ZONE if promotion is None else ZoneInfo(promotion.timezone)


def end(book: CouponBook) -> SafeString:
    """When a book ends, by its promotion's clocks and in UTC."""
    if book.expires_at is None:
        return SafeString("Never")
    return looks.moment_in(book.expires_at, zone_of(book))


def seconds(length: float) -> str:
    """`less than a second`, `12 s`, `3 min`: how long something may take."""
    if length < 1:
        return "less than a second"
    return f"about {length:.0f} s" if length < 90 else f"about {length / 60:.0f} min"
