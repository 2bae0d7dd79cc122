"""`manage.py dlq_restore`: open discarded letters again."""

from functools import partial
from typing import Any

from django.core.management.base import CommandParser

from engagement.letters import restore
from engagement.management import letters
from promopulse.lib import commands
from promopulse.lib.commands import Outcome


class Command(commands.Command):
    help = "Open discarded dead letters again, so that they can be replayed."
    writes = True
    changes_many = True

    def add_options(self, parser: CommandParser) -> None:
        letters.add_selection(parser)
        parser.add_argument("--reason", default="", help="Kept in the audit trail.")

    def run(self, *, dry_run: bool, yes: bool, reason: str, **options: Any) -> Outcome:
        act = partial(restore, letters.selection_of(options))
        return letters.change(self, act, dry_run=dry_run, yes=yes, reason=reason)
