"""`manage.py import_events FILE`: engagement events out of a file, each counted once."""

import os
from typing import Any

from django.core.management.base import CommandParser

from engagement.importing import EventImporter, Sender, count_here, wait_for_workers
from engagement.senders import DirectSender, HttpSender
from promopulse.lib.commands import Exit, Outcome, Stop
from promopulse.lib.importing.command import ImportCommand, Importer
from promopulse.lib.importing.reporting import Report
from promopulse.lib.words import plural

KEY_VARIABLES = ("PROMOPULSE_API_KEY", "DEMO_API_KEY")


class Command(ImportCommand):
    help = (
        "Import events (columns event_id, type, user_id or customer_id and promotion_id, or "
        "subscription_id, occurred_at, amount; others become metadata)."
    )
    counts = ("accepted", "duplicates")

    def add_columns(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--via",
            choices=("http", "direct"),
            default="http",
            help="Through a running server (default), or in this process without one.",
        )
        parser.add_argument(
            "--url", help="Where the server is (http://127.0.0.1:$PORT).", default=_default_url()
        )
        parser.add_argument(
            "--api-key",
            help="A key with events:write and events:bulk (without it each subscription is "
            "limited); else $PROMOPULSE_API_KEY or the demo key.",
        )
        parser.add_argument(
            "--create-users",
            action="store_true",
            help="Make users that have a source_id only, for ids not known yet.",
        )
        parser.add_argument(
            "--wait", action="store_true", help="Wait until the workers have counted the events."
        )

    def run(self, *args: Any, **options: Any) -> Outcome:
        if options["create_users"] and not options["source"]:
            raise Stop("--create-users needs --source: only their ids are known.", Exit.USAGE)
        outcome = super().run(*args, **options)
        uncounted = sum(outcome.data.get(name, 0) for name in ("conflicts", "retrying", "dead"))
        if uncounted and outcome.code is Exit.DONE:
            outcome.code = Exit.PARTLY
            events = plural(uncounted, "accepted event")
            outcome.words = f"{events} not counted; see dead-letters."
        return outcome

    def importer(self, report: Report, options: dict[str, Any]) -> Importer:
        direct = options["via"] == "direct"
        settles = (direct or options["wait"]) and not options["dry_run"]

        def settle(last: int) -> None:
            self.say("Every row is handed over; waiting until the accepted events are counted.")
            (count_here if direct else wait_for_workers)(last)

        return EventImporter(
            report,
            # A dry run is taken back at its end: only what runs in this process can be.
            DirectSender() if direct or options["dry_run"] else _http(options),
            source=options["source"],
            renames=options["map"],
            create_users=options["create_users"],
            settle=settle if settles else None,
        )


def _default_url() -> str:
    return f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"


def _http(options: dict[str, Any]) -> Sender:
    given = [options["api_key"], *(os.environ.get(name) for name in KEY_VARIABLES)]
    key = next(filter(None, given), None)
    if key is None:
        raise Stop("No API key: give --api-key or set PROMOPULSE_API_KEY.", Exit.USAGE)
    try:
        return HttpSender(options["url"], key)
    except ValueError as error:
        raise Stop(str(error), Exit.USAGE) from None
