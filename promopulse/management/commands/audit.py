"""`manage.py audit`: prove that the counts, the money and the states are exact."""

from typing import Any

from django.db import connection, transaction

from accounts.invariants import INVARIANTS as ACCOUNTS
from engagement import partitions
from engagement.invariants import INVARIANTS as ENGAGEMENT
from promopulse.lib import commands
from promopulse.lib.invariants import violations
from promotions.coupons.invariants import INVARIANTS as COUPONS
from promotions.discounts.invariants import INVARIANTS as DISCOUNTS
from promotions.invariants import INVARIANTS as PROMOTIONS
from subscriptions.invariants import INVARIANTS as SUBSCRIPTIONS

INVARIANTS = [*ENGAGEMENT, *PROMOTIONS, *DISCOUNTS, *COUPONS, *SUBSCRIPTIONS, *ACCOUNTS]


class Command(commands.Command):
    help = "Count the violations of every invariant over one snapshot; exit 1 if there is any."

    def run(self, **options: Any) -> commands.Outcome:
        found: dict[int, dict[str, Any]] = {}
        with transaction.atomic():
            with connection.cursor() as cursor:
                # One snapshot for all: work may go on meanwhile.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                # A month that is dropped would be gone from the snapshot too, so none is until
                # the end. The snapshot is taken by the first query, after this.
                cursor.execute(f"LOCK TABLE {partitions.TABLE} IN ACCESS SHARE MODE")
            for invariant in sorted(INVARIANTS, key=lambda one: one.number):
                row = found.setdefault(
                    invariant.number,
                    {"invariant": invariant.number, "words": invariant.words, "violations": 0},
                )
                row["violations"] += violations(invariant)
        rows = list(found.values())
        bad = sum(row["violations"] for row in rows)
        return commands.Outcome(
            data={"violations": bad, "invariants": rows},
            lines=[f"{row['violations']:>8}  {row['invariant']}. {row['words']}" for row in rows],
            words=f"{bad} violations." if bad else "",
            code=commands.Exit.FAILED if bad else commands.Exit.DONE,
        )
