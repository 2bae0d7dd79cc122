"""`manage.py dlq_replay`: send dead letters' events back to the inbox."""

import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from engagement.letters import Outcome as Became
from engagement.letters import Replay, outcome_of, replay
from engagement.management import letters
from engagement.processing import breaker
from promopulse.lib import commands, progress
from promopulse.lib.commands import Exit, Outcome

SECONDS_BETWEEN_LOOKS = 0.5


class Command(commands.Command):
    help = (
        "Replay open dead letters: by id, by filter, or all of them. Each is counted once at most, "
        "however often it is replayed. Exits 3 when --wait finds some dead again or waiting still."
    )
    writes = True
    changes_many = True

    def add_options(self, parser: CommandParser) -> None:
        letters.add_selection(parser)
        parser.add_argument(
            "--sample", type=letters.positive, metavar="N", help="Only the oldest N."
        )
        parser.add_argument(
            "--rate", type=letters.positive, metavar="N", help="At most N events a second."
        )
        parser.add_argument("--reason", default="", help="Kept in the audit trail.")
        parser.add_argument("--wait", action="store_true", help="Say what became of them.")
        parser.add_argument(
            "--timeout", type=float, default=600.0, help="Seconds to wait beyond the rate's (600)."
        )

    def run(self, *, dry_run: bool, yes: bool, **options: Any) -> Outcome:
        given = {name: options[name] for name in ("sample", "rate", "reason")}
        selection = letters.selection_of(options)
        done = replay(selection, dry_run=True, **given)
        if done.plan.count and not dry_run:
            agreed = letters.confirmed(self, done.plan, yes=yes)
            done = replay(selection, expect_plan=agreed, **given)
        data = {**done.plan.figures(), "dry_run": dry_run, "seconds": done.seconds}
        lines = letters.lines_of(done.plan)
        if dry_run or not done.plan.count or not options["wait"]:
            words = letters.done_words(done.plan, "sent to be counted", dry_run=dry_run)
            return Outcome(data, lines, words)
        became = self._wait(done, options["timeout"])
        return _told(data, lines, became)

    def _wait(self, done: Replay, timeout: float) -> Became:
        give_up = time.monotonic() + done.seconds + timeout
        walk = progress.Walk("replay", size=done.plan.count)
        with progress.shown(walk, self.say) as told:
            while (became := outcome_of(done.batches)).waiting and time.monotonic() < give_up:
                walk.position = done.plan.count - became.waiting
                told(walk.position)
                time.sleep(SECONDS_BETWEEN_LOOKS)
        return became


def _told(data: dict[str, Any], lines: list[str], became: Became) -> Outcome:
    words = []
    if became.refused_again:
        words.append(f"{became.refused_again} are dead again: see dlq_list.")
    if became.waiting:
        paused = " Consumption is paused: see doctor." if breaker.is_paused() else ""
        words.append(f"{became.waiting} still wait.{paused}")
    lines = [
        *lines,
        f"{became.counted:>8}  counted now",
        f"{became.already_counted:>8}  counted before",
        f"{became.refused_again:>8}  dead again",
    ]
    code = Exit.PARTLY if words else Exit.DONE
    return Outcome({**data, "became": asdict(became)}, lines, " ".join(words), code)
