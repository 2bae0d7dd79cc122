"""`manage.py doctor`: is everything this needs there, and is it well?"""

from typing import Any

from promopulse.doctor import CHECKS, Level
from promopulse.lib import commands

_MARKS = {Level.OK: "ok     ", Level.WARNING: "WARNING", Level.ERROR: "ERROR  "}


class Command(commands.Command):
    help = "Look at the database, Redis, the workers, the inbox and the settings; exit 1 on errors."

    def run(self, **options: Any) -> commands.Outcome:
        findings = []
        for check in CHECKS:
            finding = check()
            findings.append(finding)
            if finding.part in ("database", "migrations") and finding.level is Level.ERROR:
                break  # the rest would only fail the same way
        errors = sum(finding.level is Level.ERROR for finding in findings)
        return commands.Outcome(
            data=[
                {"part": one.part, "level": one.level.value, "words": one.words} for one in findings
            ],
            lines=[f"{_MARKS[one.level]} {one.part}: {one.words}" for one in findings],
            words=f"{errors} errors." if errors else "",
            code=commands.Exit.FAILED if errors else commands.Exit.DONE,
        )
