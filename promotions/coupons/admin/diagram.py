"""The states of a coupon as a drawing, the present one marked; drawn on the server."""

from collections.abc import Mapping

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from promotions.coupons.admin.shown import NAMES
from promotions.coupons.states import State

WIDE, HIGH = 116, 40
# The left upper corner of each.
PLACES: Mapping[State, tuple[int, int]] = {
    State.UNASSIGNED: (2, 16),
    State.ASSIGNED: (202, 16),
    State.LOCKED: (202, 110),
    State.REDEEMED: (202, 204),
    State.EXPIRED: (2, 204),
}
# From, to, the line, what does it, and where that is written.
MOVES: tuple[tuple[State, State, str, str, tuple[int, int]], ...] = (
    (State.UNASSIGNED, State.ASSIGNED, "M118 28H198", "assign", (158, 22)),
    (State.ASSIGNED, State.UNASSIGNED, "M202 44H122", "undo", (158, 58)),
    (State.ASSIGNED, State.LOCKED, "M248 56V106", "lock", (229, 84)),
    (State.LOCKED, State.ASSIGNED, "M272 110V60", "unlock", (298, 84)),
    (State.LOCKED, State.REDEEMED, "M248 150V200", "redeem", (220, 180)),
    (State.ASSIGNED, State.REDEEMED, "M318 30H364V218H322", "redeem", (336, 178)),
    (State.REDEEMED, State.ASSIGNED, "M318 236H392V22H322", "reverse", (368, 13)),
    (State.UNASSIGNED, State.EXPIRED, "M46 56V200", "end", (30, 134)),
    (State.ASSIGNED, State.EXPIRED, "M212 56L92 200", "end", (128, 126)),
    (State.LOCKED, State.EXPIRED, "M202 144L122 206", "end", (172, 186)),
)


def draw(present: State) -> SafeString:
    """All states and what leads from one to another; the present one has a frame and a word."""
    words = f"The states of a coupon; this one is {NAMES[present].lower()} now."
    lines = format_html_join(
        "",
        '<path class="pp-edge{}" d="{}" marker-end="url(#pp-arrow)"/>',
        ((" pp-from-here" if one is present else "", line) for one, _to, line, _w, _p in MOVES),
    )
    labels = format_html_join(
        "", '<text x="{}" y="{}">{}</text>', ((at[0], at[1], word) for *_rest, word, at in MOVES)
    )
    boxes = format_html_join(
        "",
        '<g class="pp-state{}"><rect x="{}" y="{}" width="{}" height="{}" rx="8"/>'
        '<text x="{}" y="{}">{}</text></g>',
        (
            (
                " pp-here" if state is present else "",
                x, y, WIDE, HIGH, x + WIDE // 2, y + 25,
                f"{NAMES[state]}, now" if state is present else NAMES[state],
            )
            for state, (x, y) in PLACES.items()
        ),
    )  # fmt: skip
    return format_html(
        '<svg class="pp-states" viewBox="0 0 396 256" role="img" aria-label="{}">{}{}{}{}</svg>',
        words,
        mark_safe(
            '<defs><marker id="pp-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>'
        ),
        lines,
        boxes,
        labels,
    )
