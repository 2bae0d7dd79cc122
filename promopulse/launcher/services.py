"""The database and the broker: those given by URL, or embedded ones in the home folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promopulse.launcher import postgres, valkey
from promopulse.launcher.folders import drop_socket_folder, make_home

URLS = ("DATABASE_URL", "REDIS_URL")


def start(home: Path, *, durable: bool = True, tied: bool = False) -> dict[str, str]:
    """Start what the environment gives no URL for; returns the variables that lead to it."""
    make_home(home)
    urls = {}
    with _alone(home):
        if not os.environ.get("DATABASE_URL"):
            urls["DATABASE_URL"] = postgres.start(home, durable=durable, tied=tied)
        if not os.environ.get("REDIS_URL"):
            urls["REDIS_URL"] = valkey.start(home, durable=durable, tied=tied)
    return urls


def stop(home: Path) -> None:
    """Stop the embedded servers of this home, whoever started them, and leave nothing of them
    outside of it but data.
    """
    if not home.exists():
        return
    with _alone(home):
        for server in (valkey, postgres):
            server.stop(home)
            if not server.runs(home):
                drop_socket_folder(home, server.SOCKETS)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One starter or stopper of a home's servers at a time."""
    with (home / "services.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
