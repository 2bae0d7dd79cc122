"""The manners every management command shares.

Data goes to stdout (`--json`: one JSON document), words to stderr. Writers take `--dry-run`,
those that change many rows `--yes`. The exit code says how it went: see `Exit`.
"""

import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, transaction

from promopulse.lib import context
from promopulse.lib.errors import DomainError
from promopulse.lib.postgresql.reason import why_it_is_away


class Exit(IntEnum):
    """What a command's exit code means to the script that called it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3
    REFUSED = 4


@dataclass
class Outcome:
    """What a command found or did: `data` for programs, `lines` for people, `words` on stderr."""

    data: Any
    lines: list[str] = field(default_factory=list)
    words: str = ""
    code: Exit = Exit.DONE


class Stop(CommandError):
    """Ends a command with a code and a sentence on stderr."""

    def __init__(self, words: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(words, returncode=int(code))


class Command(BaseCommand):
    """Subclasses write `add_options` and `run`; the rest is the same everywhere."""

    writes: ClassVar[bool] = False
    changes_many: ClassVar[bool] = False

    def add_options(self, parser: CommandParser) -> None:
        """The command's own arguments."""

    def run(self, *args: Any, **options: Any) -> Outcome:
        """Do the work. Raises Stop or a DomainError, which is a refusal."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Answer with one JSON document.")
        if self.writes:
            parser.add_argument("--dry-run", action="store_true", help="Say it, change nothing.")
        if self.changes_many:
            parser.add_argument("--yes", action="store_true", help="Do it without asking.")
        self.add_options(parser)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except Stop as stop:
            by_hand: bool = self._called_from_command_line  # type: ignore[attr-defined]
            if not by_hand or options["traceback"]:
                raise
            # Django would put the name of the class before the words.
            self.say(str(stop))
            sys.exit(stop.returncode)

    def handle(self, *args: Any, **options: Any) -> None:
        context.begin(f"command-{secrets.token_hex(8)}", context.Actor(via="command"))
        try:
            with quiet_logs(options["verbosity"]):
                outcome = self.run(**options)
        except DomainError as refusal:
            raise Stop(refusal.detail, Exit.REFUSED) from refusal
        except (OperationalError, InterfaceError) as error:
            raise Stop(f"The database does not answer: {why_it_is_away(error)}") from error
        except KeyboardInterrupt:
            raise Stop("Interrupted.") from None
        self._show(outcome, as_json=options["json"])
        if outcome.code is not Exit.DONE:
            raise Stop(outcome.words or "Not everything went well.", outcome.code)
        if outcome.words:
            self.say(outcome.words)

    def say(self, words: str) -> None:
        """A word to the person at the terminal; never part of the data."""
        self.stderr.write(words, self.style.NOTICE)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Let a change of many rows through: by `--yes`, or by an answer at the terminal."""
        if yes:
            return
        if not (sys.stdin and sys.stdin.isatty()):
            raise Stop(f"{question} Give --yes to do it.", Exit.REFUSED)
        self.stderr.write(f"{question} [y/N] ", ending="")
        if input().strip().lower() not in {"y", "yes"}:
            raise Stop("Nothing was changed.", Exit.REFUSED)

    def _show(self, outcome: Outcome, *, as_json: bool) -> None:
        text = msgspec.json.encode(outcome.data).decode() if as_json else "\n".join(outcome.lines)
        if not text:
            return
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            # The reader (`head`) has seen enough; the interpreter's own flush must not complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def quiet_logs(verbosity: int) -> Iterator[None]:
    """A command's words are for a person: of the logs only warnings, unless more is asked for.

    Of the pool of connections not even those: what they say, the command says in one sentence.
    """
    wanted = {"": logging.WARNING, "psycopg.pool": logging.ERROR}
    loggers = {logging.getLogger(name): level for name, level in wanted.items()}
    levels = {logger: logger.level for logger in loggers}
    if verbosity < 2:
        for logger, level in loggers.items():
            logger.setLevel(max(logger.level, level))
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


@contextmanager
def trial(dry_run: bool, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """One transaction; in a dry run it is taken back at the end."""
    with transaction.atomic(using=using):
        yield
        if dry_run:
            transaction.set_rollback(True, using=using)
