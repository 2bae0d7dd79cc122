"""Redis and PostgreSQL go away and come back; nothing is lost, nobody waits, nothing is dead."""

import os
import signal
import time

import psycopg
import pytest

from engagement.tests.chaos import audit_is_clean, counted, recover
from engagement.tests.scale import SCALE
from engagement.tests.traffic import Traffic
from promopulse.tests.live import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.slow]

ANSWER_SECONDS = 1.0
BLOCKED_SECONDS = 2.0
RESUME_SECONDS = 30


@pytest.fixture
def running(instance):
    recover(instance)
    return instance


def lose_redis(instance):
    instance.lose_redis()
    time.sleep(SCALE.outage)
    instance.start_redis()


def freeze_redis(instance):
    pid = instance.redis_pid()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(SCALE.outage)
    os.kill(pid, signal.SIGCONT)


def fill_redis(instance):
    """Full at the very moment at which the worker takes a message, and for a while."""
    (worker,) = instance.pids("worker")
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: instance.redis("LLEN events") != ":0", 10, "beat sends nothing")
    instance.redis("CONFIG SET maxmemory 1")
    os.kill(worker, signal.SIGCONT)
    time.sleep(SCALE.outage)
    instance.redis("CONFIG SET maxmemory 0")


def cut_redis_connections(instance):
    end = time.monotonic() + SCALE.outage
    while time.monotonic() < end:
        instance.redis("CLIENT KILL TYPE normal SKIPME yes")
        time.sleep(min(5, SCALE.outage / 3))


@pytest.mark.parametrize("trouble", [lose_redis, freeze_redis, fill_redis, cut_redis_connections])
def test_redis_in_trouble(running, make, trouble, record_property):
    processes = {name: running.pids(name) for name in ("web", "worker", "beat")}
    with Traffic(running, make) as traffic:
        time.sleep(1)
        trouble(running)
        wait_for(
            lambda: counted(running, make.prefix) > traffic.sent - 50,
            RESUME_SECONDS,
            "consumption did not resume in time",
        )
    record_property("requests", len(traffic.answers))
    record_property("seconds to the slowest answer", round(traffic.slowest(), 2))
    assert traffic.statuses() == {202}
    assert traffic.slowest() < ANSWER_SECONDS
    assert {read.status for read in traffic.reads} == {200}
    assert max(read.seconds for read in traffic.reads) < BLOCKED_SECONDS
    recover(running)
    assert {name: running.pids(name) for name in processes} == processes, "one has ended"
    assert counted(running, make.prefix) == traffic.sent
    audit_is_clean(running)


def restart_postgres(instance):
    instance.stop_postgres()
    time.sleep(SCALE.outage)
    instance.start_postgres()


def kill_postgres(instance):
    instance.kill_postgres()
    time.sleep(SCALE.outage)
    instance.start_postgres()


def make_postgres_read_only(instance):
    instance.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    instance.sql("SELECT pg_reload_conf()")
    time.sleep(SCALE.outage)
    with psycopg.connect(instance.env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")


def use_up_connections(instance):
    """Take every connection there is, those of web and worker included, for a while."""
    mine = []
    deadline = time.monotonic() + SCALE.outage
    keeper = psycopg.connect(instance.env["DATABASE_URL"], autocommit=True)
    while time.monotonic() < deadline:
        keeper.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'promopulse'"
        )
        try:
            while True:
                mine.append(psycopg.connect(instance.env["DATABASE_URL"]))
        except psycopg.OperationalError:
            time.sleep(0.2)
    for connection in [*mine, keeper]:
        connection.close()


@pytest.mark.parametrize(
    "trouble", [restart_postgres, kill_postgres, make_postgres_read_only, use_up_connections]
)
def test_postgresql_in_trouble(running, make, trouble, record_property):
    dead = "SELECT count(*) FROM engagement_deadletterevent"
    before = running.sql(dead)
    ((last,),) = running.sql("SELECT coalesce(max(id), 0) FROM engagement_ingestbatch")
    with Traffic(running, make) as traffic:
        time.sleep(1)
        trouble(running)
        time.sleep(4)
        back = time.monotonic()
        time.sleep(3)
    record_property("requests", len(traffic.answers))
    record_property("refused", sum(answer.status == 503 for answer in traffic.answers))
    assert traffic.statuses() <= {202, 503}
    assert 503 in traffic.statuses(), "there was no outage"
    assert {read.status for read in traffic.reads} <= {200, 503}
    everything = [*traffic.answers, *traffic.reads]
    assert all(one.retry_after for one in everything if one.status == 503)
    assert traffic.statuses(since=back) == {202}, "a stale connection was used afterwards"
    recover(running)
    assert counted(running, make.prefix) == traffic.sent
    assert running.sql(dead) == before
    assert running.sql(f"SELECT max(attempts) FROM engagement_ingestbatch WHERE id > {last}") == [
        (1,)
    ], "an outage costs no attempt"
    assert running.sql("SELECT count(*) FROM engagement_retryevent") == [(0,)]
    audit_is_clean(running)
