"""The base of the `import_*` commands: opens the file, feeds the importer, tells how it went."""

import os
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import closing, nullcontext
from itertools import islice
from typing import Any, ClassVar, Protocol

from django.core.management.base import CommandParser

from promopulse.lib import commands, progress
from promopulse.lib.commands import Exit, Outcome, Stop
from promopulse.lib.importing.columns import SOURCE_NAME
from promopulse.lib.importing.reading import STDIN, BadRow, Row, Source
from promopulse.lib.importing.reporting import Report


class Broken(Exception):
    """The import cannot go on; what was done stays. The words are fit to be shown."""


class Importer(Protocol):
    """Takes readable rows in file order; says in its report what became of each."""

    def take(self, rows: list[Row]) -> None:
        """Import some rows. Raises Broken."""

    def finish(self) -> None:
        """Do what is left when all rows were taken. Raises Broken."""

    def close(self) -> None:
        """Let go of what is open, also after trouble."""


class ImportCommand(commands.Command):
    """Subclasses name what they count and make the importer of a run."""

    writes = True
    counts: ClassVar[tuple[str, ...]] = ("created", "updated", "unchanged")
    batch_rows: ClassVar[int] = 1_000
    one_transaction: ClassVar[bool] = False

    def add_columns(self, parser: CommandParser) -> None:
        """Options of this importer alone."""

    def importer(self, report: Report, options: dict[str, Any]) -> Importer:
        raise NotImplementedError

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file",
            metavar="FILE",
            help="JSON array, NDJSON or CSV, gzip or plain; - is standard input.",
        )
        parser.add_argument(
            "--source",
            metavar="NAME",
            type=_source_name,
            help='The file\'s own ids are kept as source_id "NAME:<id>".',
        )
        parser.add_argument(
            "--map",
            metavar="OLD=NEW",
            type=_rename,
            action="append",
            default=[],
            help="The column OLD is the field NEW; may be given several times.",
        )
        parser.add_argument("--report", metavar="FILE", help="Write the bad rows there, as NDJSON.")
        self.add_columns(parser)

    def run(self, **options: Any) -> Outcome:
        options["map"] = dict(options["map"])
        report = Report(self.counts)
        with report, self._opened(options["file"]) as source:
            self._write_report(report, options["report"], options["file"])
            dry_run = options["dry_run"]
            whole = commands.trial(dry_run) if dry_run or self.one_transaction else nullcontext()
            with whole, progress.shown(source, self.say) as told:
                outcome = self._import(source, report, options, told)
        if options["dry_run"]:
            self.say("A dry run: nothing was changed.")
        return outcome

    def _import(
        self, source: Source, report: Report, options: dict[str, Any], told: progress.Told
    ) -> Outcome:
        read = 0
        try:
            with closing(self.importer(report, options)) as importer:
                for batch in _batches(source, self.batch_rows):
                    read += len(batch)
                    importer.take(_readable(batch, report))
                    told(read)
                importer.finish()
        except Broken as trouble:
            return report.outcome(read, str(trouble))
        except KeyboardInterrupt:
            return report.outcome(read, "Interrupted; run it again to go on.")
        return report.outcome(read)

    def _opened(self, path: str) -> Source:
        try:
            return Source(path)
        except OSError as error:
            words = "is no file that can be read" if path != STDIN else "cannot be read"
            raise Stop(f"{path} {words}: {error.strerror}.") from None

    def _write_report(self, report: Report, path: str | None, file: str) -> None:
        if path is None:
            return
        try:
            if os.path.exists(path) and os.path.exists(file) and os.path.samefile(path, file):
                raise Stop("--report would overwrite FILE.", Exit.USAGE)
            report.write_to(path)
        except OSError as error:
            raise Stop(f"{path} cannot be written: {error.strerror}.", Exit.FAILED) from None


def _batches(source: Source, rows: int) -> Iterator[list[Row | BadRow]]:
    reading = iter(source)
    while batch := list(islice(reading, rows)):
        yield batch


def _readable(batch: list[Row | BadRow], report: Report) -> list[Row]:
    rows = []
    for row in batch:
        if isinstance(row, BadRow):
            report.bad(*row)
        else:
            rows.append(row)
    return rows


def _source_name(text: str) -> str:
    if not SOURCE_NAME.fullmatch(text):
        raise ArgumentTypeError("1 to 32 letters, digits, dots, dashes or underscores")
    return text


def _rename(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise ArgumentTypeError("OLD=NEW is expected")
    return old, new
