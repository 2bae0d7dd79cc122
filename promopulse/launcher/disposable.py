"""Servers for a test run or a check: made for speed, theirs alone, gone afterwards."""

import fcntl
from pathlib import Path
from typing import IO

from promopulse import environment
from promopulse.launcher import services


class Servers:
    """A PostgreSQL and a Valkey in a folder nobody else uses until `stop`.

    Runs at the same time take a folder each: `test`, `test-2`, and so on in the instance's home.
    """

    def __init__(self) -> None:
        self.home, self._lock = _free_home(environment.home())

    def start(self) -> dict[str, str]:
        """The variables that lead to them; a server whose URL is given is not started."""
        services.stop(self.home)  # left by a run that was killed
        return services.start(self.home, durable=False, tied=True)

    def stop(self) -> None:
        services.stop(self.home)
        self._lock.close()


def _free_home(home: Path) -> tuple[Path, IO[str]]:
    home.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        name = "test" if number == 1 else f"test-{number}"
        lock = (home / f"{name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            number += 1
        else:
            return home / name, lock
