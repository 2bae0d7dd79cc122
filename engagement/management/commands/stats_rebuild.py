"""`manage.py stats_rebuild`: the rollups from the facts, or only whether they agree."""

from typing import Any

from django.core.management.base import CommandParser

from engagement.rebuild import rebuild
from promopulse.lib import commands
from promopulse.lib.words import plural


class Command(commands.Command):
    help = "Rebuild the stats from the facts. With --check only say whether they agree."
    writes = True

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Exit 1 if they do not agree.")

    def run(self, **options: Any) -> commands.Outcome:
        check, dry_run = options["check"], options["dry_run"]
        drift = rebuild(check_only=check or dry_run)
        words = (
            f"{plural(drift.cells, 'cell')}, {plural(drift.user_totals, 'user total')}, "
            f"{plural(drift.users, 'user')} differed."
            if drift.total
            else "The stats agree with the facts."
        )
        return commands.Outcome(
            data={
                "cells": drift.cells,
                "user_totals": drift.user_totals,
                "users": drift.users,
                "changed": bool(drift.total and not (check or dry_run)),
            },
            lines=[words],
            words=words if check and drift.total else "",
            code=commands.Exit.FAILED if check and drift.total else commands.Exit.DONE,
        )
