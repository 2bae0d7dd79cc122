"""Statements sent with libpq itself behave as any other."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from accounts.models import Pool
from promopulse.lib.direct import RowStatement, Statement
from promopulse.lib.sql import after_commit

pytestmark = pytest.mark.django_db(transaction=True)

ECHO = Statement("echo", "SELECT (%(a)s::int + %(b)s::int)::text, %(a)s::text, %(nothing)s::text")
ADD = Statement(
    "add",
    "INSERT INTO accounts_pool (name, description, user_count, created_at)"
    " VALUES (%(name)s, '', 0, now()) RETURNING name",
)
BACKEND = Statement("backend", "SELECT pg_backend_pid()::text")


@pytest.fixture
def unopened():
    """Django's connection is closed, as it is when a request begins."""
    connection.close()


@pytest.mark.parametrize("is_open", [True, False])
def test_gives_text_and_null_wherever_it_runs(is_open, unopened):
    if is_open:
        connection.ensure_connection()
    for _ in range(3):
        assert ECHO.fetch_one({"a": "1", "b": "2", "nothing": None}) == ("3", "1", None)
    assert (connection.connection is not None) is is_open


def test_stands_alone_unless_a_transaction_is_open(unopened):
    assert ADD.fetch_one({"name": "alone"}) == ("alone",)
    with transaction.atomic():
        assert ADD.fetch_one({"name": "undone"}) == ("undone",)
        transaction.set_rollback(True)
    assert list(Pool.objects.values_list("name", flat=True)) == ["alone"]


def test_errors_are_those_of_django_and_harm_no_connection(unopened):
    ADD.fetch_one({"name": "twice"})
    for _ in range(20):  # more often than the pool has connections
        with pytest.raises(IntegrityError):
            ADD.fetch_one({"name": "twice"})
    with pytest.raises(DataError):
        ECHO.fetch_one({"a": "one", "b": "2", "nothing": None})
    assert ECHO.fetch_one({"a": "1", "b": "2", "nothing": None})[0] == "3"
    assert Pool.objects.count() == 1


def test_a_connection_that_died_is_told_and_replaced(unopened):
    pool = connection.pool
    pool.open()
    with pool.connection() as other:
        for pid in {BACKEND.fetch_one({})[0] for _ in range(20)}:
            other.execute("SELECT pg_terminate_backend(%s)", [int(pid)])
        with pytest.raises(OperationalError):
            BACKEND.fetch_one({})
    for _ in range(40):
        with suppress(OperationalError):
            BACKEND.fetch_one({})
    assert ECHO.fetch_one({"a": "1", "b": "2", "nothing": None})[0] == "3"


def test_many_threads_wait_beside_each_other(unopened):
    sleep = Statement("sleep", "SELECT pg_sleep(0.3)::text, %(a)s::text")
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda n: sleep.fetch_one({"a": str(n)})[1], range(6)))
    assert answers == [str(n) for n in range(6)]


MAKE = RowStatement(
    "make",
    Pool,
    "INSERT INTO accounts_pool (name, description, user_count, created_at)"
    " SELECT %(name)s::text, '', 0, now() WHERE %(wanted)s::boolean RETURNING {row}",
)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_written_row_is_an_instance_of_its_model(is_open, unopened):
    if is_open:
        connection.ensure_connection()
    made = MAKE.fetch({"name": "a", "wanted": True})
    assert MAKE.fetch({"name": "b", "wanted": False}) is None
    assert (connection.connection is not None) is is_open
    stored = Pool.objects.get()
    names = [field.attname for field in Pool._meta.concrete_fields]
    assert [getattr(made, name) for name in names] == [getattr(stored, name) for name in names]
    assert not made._state.adding


def test_what_waits_for_the_commit_needs_no_connection(unopened):
    done = []
    after_commit(lambda: done.append(1))
    assert done == [1]
    assert connection.connection is None
    with transaction.atomic():
        after_commit(lambda: done.append(2))
        assert done == [1]
    assert done == [1, 2]


@pytest.fixture
def german_dates():
    """A database that writes dates as 28.11.2026, for connections that are made now."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET datestyle TO 'German, DMY'")
    connection.close()
    connection.close_pool()
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} RESET datestyle")
    connection.close()
    connection.close_pool()


def test_times_are_read_however_the_database_writes_them(german_dates):
    made = MAKE.fetch({"name": "a", "wanted": True})
    assert made.created_at == Pool.objects.get().created_at
