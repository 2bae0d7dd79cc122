"""`manage.py pool_distribute`: give codes of a book to the members of a pool."""

from typing import Any

from django.core.management.base import CommandParser

from promopulse.lib import commands
from promopulse.lib.commands import Outcome
from promopulse.lib.words import plural
from promotions.coupons.models import Distribution
from promotions.coupons.services import distributing
from promotions.coupons.services.distributing import Distributed, Plan


class Command(commands.Command):
    help = (
        "Give codes of a book to the members of a pool, all or nothing. --dry-run tells the plan; "
        "with its --seed and --expect-plan exactly that is done."
    )
    writes = True
    changes_many = True

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("pool_id", metavar="POOL", type=int)
        parser.add_argument("book_id", metavar="BOOK", type=int)
        parser.add_argument("--mode", choices=Distribution.Mode.values, default="equal")
        much = parser.add_mutually_exclusive_group(required=True)
        much.add_argument("--count", type=int, help="Coupons in all.")
        much.add_argument("--per-user", type=int, dest="coupons_per_user")
        parser.add_argument("--seed", type=int, help="The same seed and data give the same result.")
        parser.add_argument("--expect-plan", metavar="HASH", help="Of a dry run.")
        parser.add_argument("--reason", default="")

    def run(
        self, *, pool_id: int, dry_run: bool, yes: bool, reason: str, **options: Any
    ) -> Outcome:
        names = ("book_id", "mode", "count", "coupons_per_user", "seed", "expect_plan")
        wanted = {name: options[name] for name in names}
        planned = distributing.distribute(pool_id, dry_run=True, **wanted)
        if dry_run:
            return _told(planned)
        plan = planned.plan
        if not yes:
            self.say("\n".join(_told(planned).lines))
        self.confirm(f"Give {_how_much(plan)}?", yes=yes)
        wanted |= {"seed": plan.seed, "expect_plan": plan.hash}
        return _told(distributing.distribute(pool_id, reason=reason, **wanted))


def _told(done: Distributed) -> Outcome:
    plan = done.plan
    sharing = plan.sharing
    data = {
        "dry_run": done.distribution is None,
        "distribution_id": done.distribution.pk if done.distribution else None,
        "plan": plan.hash,
        "seed": plan.seed,
        "count": plan.count,
        "users": len(sharing.shares),
        "remainder": sharing.remainder,
        "skipped": [vars(one) for one in sharing.skipped],
        "assignments": [
            {"user_id": user, "count": share, "codes": done.codes.get(user, [])}
            for user, share in sharing.shares.items()
        ],
    }
    verb = "given" if done.distribution else "would be given"
    lines = [
        f"{_how_much(plan, verb)} "
        f"({sharing.remainder:,} left over, {plural(len(sharing.skipped), 'user')} skipped)",
        f"seed {plan.seed}, plan {plan.hash}",
    ]
    return Outcome(data, lines)


def _how_much(plan: Plan, verb: str = "") -> str:
    coupons, users = plural(plan.count, "coupon"), plural(len(plan.sharing.shares), "user")
    return " ".join(filter(None, (coupons, verb, "to", users)))
