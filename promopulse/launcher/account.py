"""The account the embedded PostgreSQL runs under: ours, or an ordinary one if we are root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promopulse.launcher.errors import LauncherError


@dataclass(frozen=True)
class Account:
    """`uid` None means: the account we run under already."""

    uid: int | None = None
    gid: int | None = None

    def popen_options(self) -> dict[str, Any]:
        """What `subprocess` needs to start a process under this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, folder: Path) -> None:
        """Make the account own a folder."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether every folder on the way lets this account through; asked of the kernel."""
        if self.uid is None:
            return True
        command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        done = subprocess.run(
            command, cwd="/", stderr=subprocess.DEVNULL, check=False, **self.popen_options()
        )
        return done.returncode == 0


def server_account(data: Path) -> Account:
    """Who may run PostgreSQL on `data`: it refuses root and any account but the data's owner.

    Raises LauncherError when the data belongs to someone we cannot act for.
    """
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise LauncherError(
                f"{data} belongs to the user {_name(owner.st_uid)}: run as that user or as root, "
                "or set PROMOPULSE_HOME to a folder of your own."
            )
        return Account()
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LauncherError(
        "PostgreSQL does not run as root and this system has neither a postgres nor a nobody user: "
        "run as an ordinary user, or set DATABASE_URL to a PostgreSQL of yours."
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
