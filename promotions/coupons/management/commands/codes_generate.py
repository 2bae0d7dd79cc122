"""`manage.py codes_generate`: make codes for a book."""

from typing import Any

from django.core.management.base import CommandParser

from promopulse.lib import commands
from promopulse.lib.commands import Outcome, trial
from promopulse.lib.words import plural
from promotions.coupons import codes
from promotions.coupons.models import CodeBatch
from promotions.coupons.services import batches

_SAMPLES = 5
_SECONDS_A_LINE = 5.0


class Command(commands.Command):
    help = (
        "Make codes for a book. Stopped or killed, the batch is finished by a worker, to exactly "
        "its number."
    )
    writes = True

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("book_id", metavar="BOOK", type=int)
        parser.add_argument("count", metavar="COUNT", type=int)
        parser.add_argument("--prefix", default="")
        parser.add_argument("--suffix", default="")
        parser.add_argument("--pattern", default="", help="SUMMER-{}-26; default: the book's.")
        parser.add_argument("--length", type=int, default=codes.DEFAULT_LENGTH)
        parser.add_argument("--charset", default=codes.DEFAULT_CHARSET)
        parser.add_argument("--max-redemptions", type=int, default=1, help="Uses of each code.")

    def run(self, *, book_id: int, count: int, dry_run: bool, **options: Any) -> Outcome:
        names = ("prefix", "suffix", "pattern", "length", "charset", "max_redemptions")
        shape = {name: options[name] for name in names}
        with trial(dry_run):
            batch = batches.generate(book_id, count=count, here=False, **shape)
            samples = batch.code_shape.make(min(_SAMPLES, count)) if dry_run else []
        if not dry_run:
            self._fill(batch)
        told = {
            "dry_run": dry_run,
            "batch_id": None if dry_run else batch.pk,
            "total": batch.total,
            "done": batch.done,
            "status": batch.status,
            "samples": samples,
        }
        if dry_run:
            return Outcome(
                told, [f"{plural(count, 'code')} would be made, such as {', '.join(samples)}"]
            )
        return Outcome(told, [f"{plural(batch.done, 'code')} made, batch {batch.pk}"])

    def _fill(self, batch: CodeBatch) -> None:
        while not batches.fill(batch.pk, seconds=_SECONDS_A_LINE):
            batch.refresh_from_db()
            self.say(f"{batch.done:,} of {batch.total:,}")
        batch.refresh_from_db()
