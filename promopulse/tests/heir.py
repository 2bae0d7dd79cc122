"""Ends what a live instance leaves when its test run is killed: `... heir HOME`.

It is told of each process group that is started, and again when that has ended. Its standard input
ends with the run, however that ends. (`die_with_parent` would not do: the kernel takes the thread
that started a child for its parent, and tests start them from threads that end before.)
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from promopulse.environment import PROJECT
from promopulse.launcher import services


class Heir:
    """The end of the run that talks to it."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "promopulse.tests.heir", str(home)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def told(self, group: int) -> None:
        """This process group was started, or has ended."""
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), f"{group}\n".encode())

    def dismiss(self) -> None:
        """Nothing is left to it."""
        self._process.kill()
        self._process.communicate()


def main(home: Path) -> None:
    alive: set[int] = set()
    for line in sys.stdin:
        alive ^= {int(line)}
    for group in alive:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    services.stop(home)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
