"""Fixtures of every app's tests."""

from collections.abc import Callable, Iterator
from typing import Any

import pgtrigger
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate
from django.test import TransactionTestCase, override_settings
from rest_framework.test import APIClient

from accounts.keys import create_key
from accounts.models import User
from accounts.tests.factories import UserFactory
from accounts.tokens import access_token
from promopulse.lib import context, limits
from promopulse.tests.live import Instance
from promotions.discounts.refused import noted


def pytest_itemcollected(item: pytest.Item) -> None:
    """With `--dist loadgroup` one process has all tests of faults, which mostly wait, and with them
    the instance that they share. (Those of the browser are a group as well.) Later than here would
    be too late: xdist looks for groups before any other hook."""
    if item.get_closest_marker("faults") or "live" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("faults"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """A group that xdist does not see would cost an instance in each process, and be silent."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid.rpartition("]")[2]:
            raise RuntimeError(f"xdist does not see the group of {item.nodeid}")


# As pgtrigger's own, without its exception handler.
_IGNORE = """
CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name name) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT trigger_name::text
        = ANY (NULLIF(current_setting('pgtrigger.ignore', true), '')::text[])
$$
"""


def _let_tests_ignore(using: str, **kwargs: Any) -> None:
    """Tests damage rows to see the damage found, and empty tables that nothing may empty."""
    with connections[using].cursor() as cursor:
        cursor.execute(_IGNORE)


# After the product's own, which ignores nothing.
post_migrate.connect(_let_tests_ignore, sender=apps.get_app_config("accounts"))

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def _flush_append_only_tables(self: TransactionTestCase) -> None:
    with pgtrigger.ignore():
        _flush(self)


TransactionTestCase._fixture_teardown = _flush_append_only_tables  # type: ignore[attr-defined]


@pytest.fixture(scope="session", autouse=True)
def _settings_of_tests() -> Iterator[None]:
    """No rate limits, a cheap password hash, no files to collect first; no thread that writes."""
    plain_files = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        RATE_LIMITS_ON=False,
        REFUSALS_WRITTEN_AFTER=0,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STORAGES=settings.STORAGES | {"staticfiles": plain_files},
    ):
        yield
    noted.forget()  # the servers are gone by the time this process ends


@pytest.fixture(autouse=True)
def _fresh_context() -> None:
    """No actor left over."""
    context.begin("test")


@pytest.fixture
def rate_limits(settings: Any) -> None:
    """Rate limits on, with nothing counted yet."""
    settings.RATE_LIMITS_ON = True
    limits.forget_all()


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient()


@pytest.fixture
def as_user() -> Callable[[User], APIClient]:
    """A client with this user's access token."""

    def make(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(user)}")
        return client

    return make


@pytest.fixture
def as_role(db: None, as_user: Callable[[User], APIClient]) -> Callable[[str], APIClient]:
    """A client of a new user with this role; the user is `client.user`."""

    def make(role: str) -> APIClient:
        user: User = UserFactory.create(role=role)
        client = as_user(user)
        client.user = user  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
def as_service(db: None) -> Callable[..., APIClient]:
    """A client with a new API key of these scopes."""

    def make(*scopes: str) -> APIClient:
        _key, text = create_key(name="test", scopes=list(scopes))
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
        return client

    return make


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A whole instance with its own durable servers; nothing of it runs yet but those."""
    instance = Instance(tmp_path_factory.mktemp("live"))
    try:
        instance.manage("migrate")
        instance.make_key()
        yield instance
    finally:
        instance.close()
