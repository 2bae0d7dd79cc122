"""`manage.py dlq_list`: dead letters, or how many there are of each kind."""

from typing import Any

from django.core.management.base import CommandParser

from engagement import selectors
from engagement.management import letters
from engagement.models import DeadLetterEvent
from promopulse.lib import commands
from promopulse.lib.commands import Outcome

_COLUMNS = {
    "cause": "cause",
    "fingerprint": "fingerprint",
    "promotion": "promotion_id",
    "type": "type",
}


class Command(commands.Command):
    help = "List dead letters, the newest first, or count them by what they have in common."

    def add_options(self, parser: CommandParser) -> None:
        letters.add_filters(parser)
        parser.add_argument("--group-by", choices=list(_COLUMNS), dest="group_by")
        parser.add_argument(
            "--state", choices=[*DeadLetterEvent.State.values, "all"], default="open"
        )
        parser.add_argument(
            "--limit", type=letters.positive, default=50, help="Letters shown (50)."
        )

    def run(self, *, group_by: str | None, state: str, limit: int, **options: Any) -> Outcome:
        rows = selectors.letters(
            state=None if state == "all" else state, **letters.filters_of(options)
        )
        if group_by == "fingerprint":
            return _groups(rows)
        if group_by:
            return _counts(selectors.letter_counts(rows, _COLUMNS[group_by]), _COLUMNS[group_by])
        found = list(rows.order_by("-pk")[: limit + 1])
        shown, more = found[:limit], len(found) > limit
        return Outcome(
            {"letters": [_row(letter) for letter in shown], "more": more},
            [_line(letter) for letter in shown],
            "There are more: see --limit and --group-by." if more else _none(shown),
        )


def _groups(rows: Any) -> Outcome:
    groups = selectors.letter_groups(rows)
    lines = []
    for group in groups:
        lines += [
            f"{group['count']:>8}  {group['fingerprint']}",
            f"          {group['detail']} {group['remedy']}",
            f"          {group['first_seen']:%Y-%m-%d %H:%M} to "
            f"{group['last_seen']:%Y-%m-%d %H:%M} UTC, {group['last_hour']} in the last hour, "
            f"promotions: {group['promotions']}, sample: {group['sample_id']}",
        ]
    return Outcome({"groups": groups}, lines, _none(groups))


def _counts(counts: list[dict[str, Any]], column: str) -> Outcome:
    lines = [
        f"{row['count']:>8}  {row[column] if row[column] is not None else 'unknown'}  "
        f"(last {row['last_seen']:%Y-%m-%d %H:%M} UTC)"
        for row in counts
    ]
    return Outcome({"groups": counts}, lines, _none(counts))


def _none(rows: list[Any]) -> str:
    return "" if rows else "There are none."


def _row(letter: DeadLetterEvent) -> dict[str, Any]:
    names = (
        *("id", "event_id", "type", "promotion_id", "user_id", "cause", "fingerprint"),
        *("attempts", "state", "dead_at", "closed_at"),
    )
    return {name: getattr(letter, name) for name in names}


def _line(letter: DeadLetterEvent) -> str:
    return (
        f"{letter.pk:>8}  {letter.dead_at:%Y-%m-%d %H:%M:%S}  {letter.state:<10}  "
        f"{letter.type:<6}  {letter.cause:<22}  promotion {letter.promotion_id or '?'}  "
        f"{letter.event_id}"
    )
