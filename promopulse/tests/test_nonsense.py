"""Whatever is sent to whichever route, the answer is a problem document and nothing changes."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.tests.factories import UserFactory
from accounts.tokens import access_token
from promopulse.tests.role_table import ROUTES, Route

pytestmark = pytest.mark.django_db

# The hot ingest route has its own tests of these: it takes many forms of body.
WITH_BODY = [route for route in ROUTES if route.body is not None and "ingest" not in route.path]
WITH_ID = [route for route in ROUTES if "{" in route.path]
READS = [route for route in ROUTES if route.method == "GET"]
BEYOND_BIGINT = str(2**63)
NESTED = 10_000
UNREADABLE = [
    b"{",
    b"\xff\xfe",
    b'{"name": NaN}',
    b'{"name": "a\\u0000b"}',
    b'{"name": "\\ud800"}',
    b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    b"[" * NESTED + b"]" * NESTED,
]
UNFIT = [b"[]", b'"text"', b"7", b'{"no_such_field": 1}']
UNFIT_QUERY = ("validation_error malformed not_found coupon_not_found invalid_time_range").split()
QUERIES = [
    "limit=1000000000",
    "limit=-1",
    f"limit={'9' * 5_000}",
    f"limit=000000000001{'0' * 5_000}",
    "limit=NaN",
    "offset=-1",
    f"offset={BEYOND_BIGINT}",
    "cursor=%00",
    "cursor=W10",
    "cursor=WyJuIixudWxsXQ",
    "cursor=WyJuIiw5OTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ",
    f"user_id={BEYOND_BIGINT}",
    "user_id=x",
    f"promotion_id={BEYOND_BIGINT}",
    f"object_type=user&object_id={BEYOND_BIGINT}",
    "from=2026-06-01T00:00:00",
    "from=yesterday&to=never",
    "from=0001-01-01T00:00:00%2B14:00",
    "is_active=perhaps",
    "role=%ff",
    "email=%ff",
    "interval=fortnight",
    "ordering=password",
]


@pytest.fixture
def admin(db: None) -> APIClient:
    user = UserFactory.create(role="admin")
    return APIClient(headers={"Authorization": f"Bearer {access_token(user)}"})


@contextmanager
def nothing_changes() -> Iterator[None]:
    def counts() -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables "
                "WHERE relname <> 'django_session' ORDER BY relname"
            )
            return str(cursor.fetchall())

    before = counts()
    yield
    assert counts() == before


def path_of(route: Route, thing: str = "1") -> str:
    path = route.path
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + thing + rest.partition("}")[2]
    return f"/api/v1/{path}"


def refused(answer: Any, *codes: str) -> None:
    """A problem document, not of our making, with one of the codes if there are some."""
    assert answer.status_code < 500, answer.content
    assert answer["Content-Type"] == "application/problem+json", answer.content
    assert not codes or answer.json()["code"] in codes, answer.content


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.call)
def test_bodies(admin, route):
    for body in UNREADABLE:
        with nothing_changes():
            answer = admin.generic(route.method, path_of(route), body, "application/json")
        refused(answer, "malformed", "not_found")
    for body in UNFIT:
        with nothing_changes():
            answer = admin.generic(route.method, path_of(route), body, "application/json")
        refused(answer, "validation_error", "not_found")
    with nothing_changes():
        answer = admin.generic(route.method, path_of(route), b"<a/>", "application/xml")
    refused(answer, "unsupported_media_type", "not_found")


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.call)
def test_values_of_the_wrong_kind(admin, route):
    """Each field in turn; what happens to be a good value changes what it should."""
    for name in route.body:
        for value in (None, True, -1, 1.5, 10**40, "", "x" * 100_000, [], [[]], {}):
            body = json.dumps({**route.body, name: value})
            answer = admin.generic(route.method, path_of(route), body, "application/json")
            if answer.status_code >= 400:
                refused(answer)


@pytest.mark.parametrize("route", WITH_ID, ids=lambda route: route.call)
def test_ids(admin, route):
    body = "" if route.body is None else re.sub(r'"{\w+}"', "1", json.dumps(route.body))
    for thing in (BEYOND_BIGINT, "9" * 5_000, "-1", "x", "%00", "%ff", "1e3"):
        with nothing_changes():
            answer = admin.generic(route.method, path_of(route, thing), body, "application/json")
        refused(answer, "not_found", "coupon_not_found", "malformed")


@pytest.mark.parametrize("route", READS, ids=lambda route: route.call)
def test_queries(admin, route):
    """A parameter that the route does not have is ignored; one that it has is never a fault."""
    for query in QUERIES:
        answer = admin.get(f"{path_of(route)}?{query}")
        if answer.status_code >= 400:
            refused(answer, *UNFIT_QUERY)


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Api-Key", "Api-Key x", "Basic eDp5", "\xff"],
)
def test_credentials(authorization):
    answer = APIClient().get("/api/v1/auth/me", headers={"Authorization": authorization})
    assert answer.status_code == 401
    refused(answer, "not_authenticated")
    assert answer["WWW-Authenticate"]


def test_the_watch_sees_a_change(admin):
    with pytest.raises(AssertionError), nothing_changes():
        admin.post("/api/v1/pools", {"name": "P"})
