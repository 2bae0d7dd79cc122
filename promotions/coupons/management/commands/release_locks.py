"""`manage.py release_locks`: make lapsed locks and ended books what they read as already."""

from typing import Any

from promopulse.lib import commands
from promopulse.lib.commands import Outcome
from promopulse.lib.words import plural
from promotions.coupons.services import tidying


class Command(commands.Command):
    help = (
        "Release locks past their deadline and expire the coupons of ended books. Tidying only: "
        "both read so already."
    )
    writes = True

    def run(self, *, dry_run: bool, **options: Any) -> Outcome:
        if dry_run:
            lapsed = tidying.count_lapsed()
            return Outcome(
                {"released": False, "locks": lapsed}, [f"{plural(lapsed, 'lock')} lapsed"]
            )
        locks, expired = tidying.release_lapsed_locks(), tidying.expire_ended_books()
        return Outcome(
            {"released": True, "locks": locks, "expired": expired},
            [f"{plural(locks, 'lock')} released, {plural(expired, 'coupon')} expired"],
        )
