"""`manage.py demo`: example people, promotions and a month of events to look at."""

import os
from contextlib import nullcontext
from typing import Any

from promopulse.demo.builder import Builder
from promopulse.lib import commands
from promopulse.lib.commands import Exit, Outcome, Stop

_WORLD = (
    *("users", "pools", "promotions", "redemptions", "books", "subscriptions", "events"),
    *("dead_letters", "api_keys"),
)


class Command(commands.Command):
    help = "Make what is missing of the demo world; again changes nothing that is there."
    writes = True
    changes_many = True

    def run(self, *args: Any, **options: Any) -> Outcome:
        wanted = os.environ.get("DEMO", "").lower() in {"1", "true", "yes", "on"}
        if not (wanted or options["yes"]):
            raise Stop(
                "The demo world has people with known passwords, an admin among them: "
                "set DEMO=1 or give --yes where nobody else can reach it.",
                Exit.REFUSED,
            )
        builder = Builder()
        with commands.trial(True) if options["dry_run"] else nullcontext():
            try:
                builder.build()
            except ValueError as error:
                raise Stop(f"DEMO_API_KEY: {error}") from None
            first_event = builder.first_event()
        made = {name: builder.made[name] for name in _WORLD}
        told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in made.items())
        return Outcome({"made": made, "first_event": first_event}, [f"Made: {told}"])
