"""`manage.py pii_erase`: forget a person. Ledgers and counts keep their id."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.models import User
from accounts.services.erasure import find_user
from promopulse import erasure
from promopulse.lib import commands
from promopulse.lib.commands import Outcome


class Command(commands.Command):
    help = (
        "Erase a person: name, e-mail, phone, source_id, tokens, metadata and stored answers. The "
        "id stays, so that ledgers and counts stand. Cannot be taken back; may be run again."
    )
    writes = True
    changes_many = True

    def add_options(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("user_id", metavar="USER_ID", type=int, nargs="?", help="The user's id.")
        who.add_argument("--email", help="The whole address, in any letter case.")
        who.add_argument("--source-id", metavar="ID", help="The client's own id.")
        parser.add_argument("--reason", default="", help="Why; kept in the audit trail.")

    def run(self, *, dry_run: bool, yes: bool, reason: str, **options: Any) -> Outcome:
        user = find_user(options["user_id"], email=options["email"], source_id=options["source_id"])
        if dry_run:
            return _outcome(user, erasure.count(user.pk), done=False)
        self.confirm(f"Erase user {user.pk}, {user.role}, for ever?", yes=yes)
        # By e-mail or source_id nobody is found a second time.
        self.say(f"Erasing user {user.pk}; if this is interrupted, run it again with that id.")
        return _outcome(user, erasure.erase(user.pk, reason=reason), done=True)


def _outcome(user: User, counts: dict[str, int], *, done: bool) -> Outcome:
    verb = "erased" if done else "would be erased"
    return Outcome(
        data={"user_id": user.pk, "erased": done, **counts},
        lines=[f"{number:>8}  {erasure.WORDS[name]} {verb}" for name, number in counts.items()],
    )
