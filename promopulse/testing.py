"""pytest plugin: gives every test run its own PostgreSQL and Valkey, made for speed.

Named by `addopts` in pytest.ini, so it is loaded before pytest-django reads the settings: bare
`pytest` works without a running server. TEST_DATABASE_URL and TEST_REDIS_URL name servers to use
instead. Runs at the same time take a folder each.
"""

import os
from collections.abc import Generator
from urllib.parse import urlsplit

import pytest

from promopulse.launcher.disposable import Servers
from promopulse.launcher.services import URLS

SECRETS = {
    "SECRET_KEY": "a-secret-key-for-tests-only-0123456789-abcdefghijklmnopqrstuvwxyz",
    "FERNET_KEYS": "cHJvbW9wdWxzZS10ZXN0cy1mZXJuZXQta2V5LTAwMDE=",
    "BLIND_INDEX_KEY": "a-blind-index-key-for-tests-only-0123456789-abcdefghijklm",
    "JWT_SIGNING_KEY": "a-jwt-signing-key-for-tests-only-0123456789-abcdefghijklm",
    "IDEMPOTENCY_KEY_SECRET": "an-idempotency-key-for-tests-only-0123456789-abcdefghij",
}


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
    os.environ.pop("BROKER_URL", None)
    for name in URLS:
        os.environ.pop(name, None)
        if given := os.environ.get(f"TEST_{name}"):
            os.environ[name] = given
    os.environ |= SECRETS | servers.start()
    os.environ["PROMOPULSE_HOME"] = str(servers.home)
    os.environ["PROMOPULSE_ENV_FILE"] = os.devnull
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)


def _take_own_redis_database(number: int) -> None:
    """Each xdist worker works in a database of its own; pytest-django does so for PostgreSQL."""
    address = urlsplit(os.environ["REDIS_URL"])
    if address.scheme == "unix":
        os.environ["REDIS_URL"] = f"unix://{address.path}?db={number + 1}"
    else:
        os.environ["REDIS_URL"] = address._replace(path=f"/{number + 1}").geturl()
