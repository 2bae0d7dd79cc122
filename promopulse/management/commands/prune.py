"""`manage.py prune`: drop what is past its age."""

from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from accounts import pruning as accounts
from engagement.models import Pruned
from engagement.pruning import batches, months
from promopulse.lib import commands
from promopulse.lib.commands import Exit, Outcome
from promopulse.lib.time import rfc3339
from promopulse.lib.words import plural


class Command(commands.Command):
    help = (
        "Drop whole months of events, headers of processed batches, settled dead letters, and what "
        "has expired. Counts, ledgers, redemptions, the audit trail and the ids of counted events "
        "are never dropped."
    )
    writes = True
    changes_many = True

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--events-months",
            metavar="N",
            type=_age,
            default=settings.PRUNE_EVENTS_MONTHS,
            help="Keep this month's events and those of N months before; 0 keeps all "
            "(default: %(default)s).",
        )
        parser.add_argument(
            "--days",
            metavar="N",
            type=_age,
            default=settings.PRUNE_DAYS,
            help="Keep batches and letters that were done in the last N days; 0 keeps all "
            "(default: %(default)s).",
        )

    def run(
        self, *, events_months: int, days: int, dry_run: bool, yes: bool, **options: Any
    ) -> Outcome:
        if dry_run:
            return _outcome(*_counted(events_months, days), done=False)
        self.confirm(_question(events_months, days), yes=yes)
        expired = accounts.prune_expired()
        dropped = batches.prune_batches(batches.age_limit(days)) if days else batches.Dropped()
        gone: list[months.Month] = []
        trouble = ""
        try:
            if events_months:
                for month in months.prune_months(events_months):
                    self.say(f"{month.first:%Y-%m}: {plural(month.events, 'event')} dropped")
                    gone.append(month)
        except months.CountsDisagree as error:
            trouble = (
                f"Stopped: {error}. See `manage.py audit`, make it right with `manage.py "
                "stats_rebuild`, then run this again."
            )
        except months.EventsInUse:
            trouble = "Stopped: an audit, a rebuild or a backup reads the events. Run this again."
        return _outcome(expired, dropped, gone, done=True, trouble=trouble)


def _counted(
    events_months: int, days: int
) -> tuple[dict[str, int], batches.Dropped, list[months.Month]]:
    found = months.past_their_age(events_months) if events_months else []
    return (
        accounts.count_expired(),
        batches.count_batches(batches.age_limit(days)) if days else batches.Dropped(),
        [months.Month(first, months.count_events(first)) for first in found],
    )


def _question(events_months: int, days: int) -> str:
    parts = ["what has expired"]
    if days:
        parts.append(f"batches and letters done before {batches.age_limit(days):%Y-%m-%d}")
    if events_months and (found := months.past_their_age(events_months)):
        parts.append(
            f"{len(found)} months of events before {months.first_kept(events_months):%Y-%m}"
        )
    return f"Drop {', '.join(parts)}, for ever?"


def _outcome(
    expired: dict[str, int],
    dropped: batches.Dropped,
    gone: list[months.Month],
    *,
    done: bool,
    trouble: str = "",
) -> Outcome:
    pruned = Pruned.objects.filter(pk=1).first()
    before = pruned and pruned.events_pruned_before
    counts = {
        "events": sum(month.events for month in gone),
        "batches": dropped.batches,
        "letters": dropped.letters,
        **expired,
    }
    verb = "dropped" if done else "would be dropped"
    return Outcome(
        data={
            "dropped": done,
            "months": [f"{month.first:%Y-%m}" for month in gone],
            **counts,
            "events_pruned_before": before and rfc3339(before),
        },
        lines=[f"{number:>10}  {name.replace('_', ' ')} {verb}" for name, number in counts.items()],
        words=trouble,
        code=Exit.PARTLY if trouble else Exit.DONE,
    )


def _age(text: str) -> int:
    if not text.isdecimal() or int(text) > 1_200:
        raise ArgumentTypeError("a whole number from 0 to 1200")
    return int(text)
