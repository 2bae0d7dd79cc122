"""`manage.py dlq_discard`: close dead letters that shall not be replayed."""

from functools import partial
from typing import Any

from django.core.management.base import CommandParser

from engagement.letters import discard
from engagement.management import letters
from promopulse.lib import commands
from promopulse.lib.commands import Outcome


class Command(commands.Command):
    help = "Discard open dead letters, for a reason. They stay; dlq_restore opens them again."
    writes = True
    changes_many = True

    def add_options(self, parser: CommandParser) -> None:
        letters.add_selection(parser)
        parser.add_argument("--reason", required=True, help="Why; kept with each letter.")

    def run(self, *, dry_run: bool, yes: bool, reason: str, **options: Any) -> Outcome:
        act = partial(discard, letters.selection_of(options))
        return letters.change(self, act, dry_run=dry_run, yes=yes, reason=reason)
