"""pytest plugin: gives every test run its own PostgreSQL and Valkey, made for speed.

Named by `addopts` in pytest.ini, so it is loaded before pytest-django reads the settings: bare
`pytest` works without a running server. TEST_DATABASE_URL and TEST_REDIS_URL name servers to use
instead. Runs at the same time take a folder each.
"""

import fcntl
import os
from collections.abc import Generator
from pathlib import Path
from typing import IO

import pytest

from promopulse import environment
from promopulse.launcher import services

SECRETS = {
    "SECRET_KEY": "a-secret-key-for-tests-only-0123456789-abcdefghijklmnopqrstuvwxyz",
    "FERNET_KEYS": "cHJvbW9wdWxzZS10ZXN0cy1mZXJuZXQta2V5LTAwMDE=",
    "BLIND_INDEX_KEY": "a-blind-index-key-for-tests-only-0123456789-abcdefghijklm",
    "JWT_SIGNING_KEY": "a-jwt-signing-key-for-tests-only-0123456789-abcdefghijklm",
    "IDEMPOTENCY_KEY_SECRET": "an-idempotency-key-for-tests-only-0123456789-abcdefghij",
}


class Servers:
    """The servers of this run: nothing else may use their folder until `stop`."""

    def __init__(self) -> None:
        self.home, self._lock = _free_home(environment.home())

    def start(self) -> dict[str, str]:
        services.stop(self.home)  # left by a run that was killed
        return services.start(self.home, durable=False, tied=True)

    def stop(self) -> None:
        services.stop(self.home)
        self._lock.close()


_SERVERS = pytest.StashKey[Servers]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        servers = early_config.stash[_SERVERS] = Servers()
        _set_environment(servers)
    else:
        _take_own_redis_database(int(worker.removeprefix("gw")))
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(_SERVERS, None)
    if servers is not None:
        servers.stop()


def _set_environment(servers: Servers) -> None:
    """Nothing of the developer's own instance or `.env` reaches a test."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
        if given := os.environ.get(f"TEST_{name}"):
            os.environ[name] = given
    os.environ |= SECRETS | servers.start()
    os.environ["PROMOPULSE_HOME"] = str(servers.home)
    os.environ["PROMOPULSE_ENV_FILE"] = os.devnull


def _take_own_redis_database(number: int) -> None:
    """Each xdist worker works in a database of its own; pytest-django does so for PostgreSQL."""
    url = os.environ["REDIS_URL"]
    if url.startswith("unix:"):
        os.environ["REDIS_URL"] = f"{url.partition('?')[0]}?db={number + 1}"
    else:
        server, _, path = url.partition("://")[2].partition("/")
        query = path.partition("?")[2]
        os.environ["REDIS_URL"] = f"{url.partition('://')[0]}://{server}/{number + 1}" + (
            f"?{query}" if query else ""
        )


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
