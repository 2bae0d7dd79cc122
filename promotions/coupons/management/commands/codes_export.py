"""`manage.py codes_export`: the codes of a book, as a stream."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from django.core.management.base import CommandParser

from accounts import audit
from promopulse.lib import commands
from promopulse.lib.commands import Exit, Outcome, Stop
from promopulse.lib.words import plural
from promotions.coupons import selectors
from promotions.coupons.services import exporting
from promotions.coupons.states import State


class Command(commands.Command):
    help = "Write the codes of a book in clear: CSV, or with --json one JSON object a line."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("book_id", metavar="BOOK", type=int)
        parser.add_argument("--out", metavar="FILE", help="Default: standard output.")
        parser.add_argument("--state", choices=State.values, help="As it is now.")
        parser.add_argument("--assigned-to", metavar="USER", type=int)
        parser.add_argument("--distribution", metavar="ID", type=int, dest="distribution_id")

    def run(self, *, book_id: int, out: str | None, json: bool, **options: Any) -> Outcome:
        book = selectors.book_by_id(book_id)
        filters = {name: options[name] for name in ("state", "assigned_to", "distribution_id")}
        written = 0

        def counted() -> Iterable[dict[str, Any]]:
            nonlocal written
            for row in exporting.rows(book, **filters):
                written += 1
                yield row

        lines = _lines(counted()) if json else exporting.as_csv(iter(counted()))
        try:
            if out is None:
                self._write(lines, self.stdout)  # type: ignore[arg-type]
            else:
                with open(out, "w", encoding="utf-8", newline="") as file:
                    self._write(lines, file)
        except BrokenPipeError:
            # The reader (`head`) has seen enough; the interpreter's own flush must not complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise Stop(f"{error.filename}: {error.strerror}", Exit.USAGE) from None
        audit.record("book.export", book, after={"codes": written, **_said(filters)})
        return Outcome(None if out is None else {"codes": written}, words=plural(written, "code"))

    def _write(self, lines: Iterable[str], file: TextIO) -> None:
        for line in lines:
            file.write(line)

    def _show(self, outcome: Outcome, *, as_json: bool) -> None:
        """The data has been written already."""


def _lines(rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    for row in rows:
        yield json.dumps(row) + "\n"


def _said(filters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}
