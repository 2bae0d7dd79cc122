"""`manage.py codes_import`: bring codes from a file into a book."""

from itertools import islice
from typing import Any

from django.core.management.base import CommandParser

from promopulse.lib import commands, progress
from promopulse.lib.commands import Exit, Outcome, Stop
from promopulse.lib.importing.reading import STDIN, BadRow, Row, Source
from promopulse.lib.importing.reporting import Report
from promotions.coupons import rules
from promotions.coupons.services import uploading

_ROWS = 10_000


class Command(commands.Command):
    help = (
        "Bring codes into a book: JSON array, NDJSON or CSV with a column `code`, gzip or plain. "
        "Good rows are kept; run again, nothing is doubled."
    )
    writes = True

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("book_id", metavar="BOOK", type=int)
        parser.add_argument("file", metavar="FILE", help=f"{STDIN} is standard input.")
        parser.add_argument("--max-redemptions", type=int, default=1, help="Uses of each code.")
        parser.add_argument(
            "--on-duplicate",
            choices=[uploading.SKIP, uploading.ERROR],
            default=uploading.SKIP,
            help=f"error: all or none, at most {rules.MAX_UPLOADED} rows (default: %(default)s).",
        )
        parser.add_argument("--report", metavar="FILE", help="Bad rows, as NDJSON.")

    def run(self, *, file: str, report: str | None, **options: Any) -> Outcome:
        rows = 0
        size = _ROWS if options["on_duplicate"] == uploading.SKIP else rules.MAX_UPLOADED + 1
        with Report(("created", "duplicates")) as found:
            try:
                if report:
                    found.write_to(report)
                source = Source(file)
            except OSError as error:
                raise Stop(f"{error.filename}: {error.strerror}", Exit.USAGE) from None
            with source, progress.shown(source, self.say) as told:
                waiting = iter(source)
                while batch := list(islice(waiting, size)):
                    rows += len(batch)
                    self._take(batch, found, options)
                    told(rows)
            return found.outcome(rows)

    def _take(self, batch: list[Row | BadRow], report: Report, options: dict[str, Any]) -> None:
        readable: list[tuple[int, str]] = []
        for row in batch:
            if isinstance(row, BadRow):
                report.bad(row.line, row.code, row.detail)
            elif not isinstance(row.values.get("code"), str):
                report.bad(row.line, "required", "A column code with a text is expected.")
            else:
                readable.append((row.line, row.values["code"]))
        if not readable:
            return
        done = uploading.upload(
            options["book_id"],
            [code for _, code in readable],
            on_duplicate=options["on_duplicate"],
            max_redemptions=options["max_redemptions"],
            dry_run=options["dry_run"],
        )
        report.count("created", done.counts[uploading.CREATED])
        report.count("duplicates", done.counts[uploading.DUPLICATE])
        for one in done.verdicts:
            if one.verdict == uploading.INVALID:
                report.bad(readable[one.index][0], uploading.INVALID, one.detail)
