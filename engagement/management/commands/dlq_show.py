"""`manage.py dlq_show ID|EVENT_ID`: all about one dead letter."""

import json
from typing import Any

from django.core.management.base import CommandParser

from engagement import selectors, wire
from engagement.causes import CAUSES
from engagement.letters import shown
from engagement.models import DeadLetterEvent
from promopulse.lib import commands
from promopulse.lib.admin import whole_id
from promopulse.lib.commands import Outcome, Stop

_FACTS = (
    *("id", "event_id", "state", "state_reason", "type", "promotion_id", "user_id"),
    *("occurred_at", "received_at", "dead_at", "closed_at", "cause", "fingerprint", "batch_id"),
)


class Command(commands.Command):
    help = "Show one dead letter: cause, remedy, attempts, its event with personal data masked."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("letter", metavar="ID|EVENT_ID")

    def run(self, *, letter: str, **options: Any) -> Outcome:
        found = _find(letter)
        if found is None:
            raise Stop(f"There is no dead letter {letter!r}.")
        cause = CAUSES[found.cause]
        data = {name: getattr(found, name) for name in _FACTS} | {
            "category": cause.category.value,
            "detail": found.detail,
            "remedy": cause.remedy,
            "attempts": found.history,
            "event": shown.shown_event(found.payload, selectors.currency_of(found.promotion_id)),
        }
        lines = [
            f"{name + ':':<14} {data[name]}" for name in _FACTS if data[name] not in (None, "")
        ]
        lines += [f"{'category:':<14} {cause.category}", "", found.detail, cause.remedy, ""]
        lines += [
            f"attempt {number}: {one.at:%Y-%m-%d %H:%M:%S} UTC  {one.detail}"
            for number, one in enumerate(shown.attempts(found.history), start=1)
        ]
        lines += ["", json.dumps(data["event"], indent=2, ensure_ascii=False)]
        return Outcome(data, lines)


def _find(text: str) -> DeadLetterEvent | None:
    """By the letter's id, else by its event's."""
    number = whole_id(text)
    by_id = DeadLetterEvent.objects.filter(pk=number).first() if number is not None else None
    return by_id or DeadLetterEvent.objects.filter(event_id=wire.canonical_id(text)).first()
