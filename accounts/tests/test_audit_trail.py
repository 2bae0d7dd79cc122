"""The audit trail: append-only, by name and not by value, read by filters."""

import pytest
from django.db import ProgrammingError, connection, transaction

from accounts import audit, keys
from accounts.models import AuditEntry
from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib import context
from promopulse.lib.context import Actor

pytestmark = pytest.mark.django_db

URL = "/api/v1/audit"


def record(action, obj, actor=context.SYSTEM, request_id="r-1"):
    context.begin(request_id, actor)
    return audit.record(action, obj)


@pytest.fixture
def ops(as_role):
    return as_role("ops")


def ids(client, query=""):
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_filters(ops):
    pool, user = PoolFactory(), UserFactory()
    key, _text = keys.create_key(name="k", scopes=["read"])
    AuditEntry.objects.filter(pk=0)
    by_user = record("pool.update", pool, Actor(user_id=user.pk, via="api"))
    by_key = record("pool.update", pool, Actor(api_key_id=key.pk, via="api"), "r-2")
    about_user = record("user.update", user, request_id="r-3")

    everything = ids(ops)
    assert everything[:3] == [about_user.pk, by_key.pk, by_user.pk]
    assert ids(ops, f"object_type=pool&object_id={pool.pk}") == [by_key.pk, by_user.pk]
    assert ids(ops, "object_type=pool") == [by_key.pk, by_user.pk]
    assert ids(ops, "action=user.update") == [about_user.pk]
    assert ids(ops, f"actor=user:{user.pk}") == [by_user.pk]
    assert ids(ops, f"actor=key:{key.pk}") == [by_key.pk]
    assert ids(ops, "request_id=r-3") == [about_user.pk]
    assert ids(ops, f"request_id=r-3&object_type=pool&object_id={pool.pk}") == []


@pytest.mark.parametrize(
    "query",
    [
        "object_id=7",
        "object_type=pool&object_id=99999999999999999999",
        "actor=7",
        "actor=user:",
        "actor=user:9999999999999999999999",
        "limit=1000000000",
        "cursor=nonsense",
        f"action={'x' * 65}",
    ],
)
def test_a_wrong_query_is_refused(ops, query):
    answer = ops.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


def test_pages_stay_as_they_are_while_entries_arrive(ops):
    pool = PoolFactory()
    old = [record("pool.update", pool).pk for _ in range(5)]
    first = ops.get(f"{URL}?limit=2").json()
    record("pool.update", pool)
    second = ops.get(first["next"]).json()
    third = ops.get(second["next"]).json()
    seen = [row["id"] for page in (first, second, third) for row in page["results"]]
    assert seen == old[::-1]
    assert third["next"] is None
    back = ops.get(third["previous"]).json()
    assert back["results"] == second["results"]


def test_a_page_takes_one_query(ops, django_assert_num_queries):
    pool = PoolFactory()
    for _ in range(2):
        for _ in range(5):
            record("pool.update", pool)
        with django_assert_num_queries(2):
            ops.get(URL)


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts_auditentry SET reason = 'x'", "DELETE FROM accounts_auditentry"]
)
def test_entries_stay_as_written(statement):
    record("pool.update", PoolFactory())
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_request_and_its_actor_are_in_the_entry(as_role):
    marketer = as_role("marketer")
    answer = marketer.post("/api/v1/pools", {"name": "P"}, headers={"X-Request-ID": "req-7"})
    assert answer.status_code == 201
    entry = AuditEntry.objects.get()
    assert (entry.actor_user_id, entry.via, entry.request_id) == (
        marketer.user.pk,
        "api",
        "req-7",
    )


def test_a_service_is_named_by_its_key(as_service):
    service = as_service("promotions:write")
    assert service.post("/api/v1/pools", {"name": "P"}).status_code == 201
    entry = AuditEntry.objects.get(action="pool.create")
    assert entry.actor_user_id is None
    assert entry.actor_api_key.name == "test"


def test_whoever_registers_is_nobody_yet(anonymous):
    body = {"name": "Ann", "email": "ann@example.com", "password": "12345678"}
    anonymous.post("/api/v1/auth/register", body)
    entry = AuditEntry.objects.get(action="user.create")
    assert (entry.actor_user_id, entry.via) == (None, "api")
