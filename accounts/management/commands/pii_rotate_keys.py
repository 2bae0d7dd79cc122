"""`manage.py pii_rotate_keys`: everything encrypted under the newest of FERNET_KEYS."""

from dataclasses import asdict
from typing import Any

from accounts import rotation
from accounts.rotation import Tally
from promopulse.lib import commands, progress
from promopulse.lib.commands import Exit, Outcome
from promopulse.lib.words import plural


class Command(commands.Command):
    help = (
        "Encrypt e-mails, phone numbers and stored answers anew under the first of FERNET_KEYS, so "
        "that the others can be taken out. May be interrupted and run again. BLIND_INDEX_KEY is "
        "another key, and cannot be changed."
    )
    writes = True
    changes_many = True

    def run(self, *, dry_run: bool, yes: bool, **options: Any) -> Outcome:
        columns = rotation.encrypted_columns()
        if dry_run:
            return _outcome([rotation.count(*each) for each in columns.items()], left=0)
        self.confirm("Encrypt every row of an older key anew?", yes=yes)
        tallies = []
        for column, keys in columns.items():
            walk = progress.Walk(str(column), size=rotation.last_row(column))
            with progress.shown(walk, self.say) as told:
                tallies.append(rotation.rotate(column, keys, walk, told))
        # Somebody who still runs with the old keys may have written behind our back.
        checked = [rotation.count(*each) for each in columns.items()]
        return _outcome(tallies, left=sum(one.old - len(one.unreadable) for one in checked))


def _outcome(tallies: list[Tally], *, left: int) -> Outcome:
    unreadable = sum(len(one.unreadable) for one in tallies)
    words = []
    if left:
        words.append(
            f"{plural(left, 'value')} written under an older key meanwhile: restart every process "
            "with the new FERNET_KEYS, then run this again."
        )
    if unreadable:
        found = plural(unreadable, "value")
        words.append(f"{found} opened by none of FERNET_KEYS: left as before.")
    return Outcome(
        data={"columns": [asdict(one) for one in tallies], "left": left},
        lines=[_line(one) for one in tallies],
        words=" ".join(words),
        code=Exit.PARTLY if words else Exit.DONE,
    )


def _line(one: Tally) -> str:
    text = f"{one.column}: {one.tokens} values, {one.old} of an older key, {one.rotated} rotated"
    if one.unreadable:
        shown = ", ".join(map(str, one.unreadable[:10]))
        text += f", {len(one.unreadable)} unreadable (rows {shown})"
    return text
