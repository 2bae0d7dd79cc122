"""Redis and PostgreSQL go away and come back; nothing is lost, nobody waits, nothing is dead."""

import http.client
import json
import os
import signal
import threading
import time

import psycopg
import pytest

from engagement.tests.chaos import INGEST, audit_is_clean, counted, recover
from promopulse.tests.live import API_KEY

pytestmark = [pytest.mark.faults, pytest.mark.slow]


class Traffic:
    """A client that sends events one after the other and repeats what was not acknowledged."""

    def __init__(self, instance, make):
        self.instance = instance
        self.make = make
        self.answers = []  # (when, status, seconds, Retry-After)
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join()

    def _run(self):
        pending = None
        while pending or not self._stop.is_set():
            pending = pending or self.make(1)[0]
            status = self._post(pending)
            if status in (200, 202):
                self.sent += 1
                pending = None
            time.sleep(0.02)

    def _post(self, event):
        started = time.monotonic()
        status, retry_after = 0, None
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.instance.port, timeout=30)
            headers = {"Authorization": f"Api-Key {API_KEY}", "Content-Type": "application/json"}
            connection.request("POST", INGEST, json.dumps(event), headers)
            response = connection.getresponse()
            response.read()
            status, retry_after = response.status, response.headers.get("Retry-After")
            connection.close()
        except OSError:
            pass
        self.answers.append((started, status, time.monotonic() - started, retry_after))
        return status

    def statuses(self, since=0.0):
        return {status for when, status, _, _ in self.answers if when >= since}

    def slowest(self):
        return max(seconds for _, _, seconds, _ in self.answers)


@pytest.fixture
def running(instance):
    recover(instance)
    return instance


def lose_redis(instance):
    instance.lose_redis()
    time.sleep(6)
    instance.start_redis()


def freeze_redis(instance):
    pid = instance.redis_pid()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(30)
    os.kill(pid, signal.SIGCONT)


def fill_redis(instance):
    instance.redis("CONFIG SET maxmemory 1")
    time.sleep(6)
    instance.redis("CONFIG SET maxmemory 0")


def cut_redis_connections(instance):
    for _ in range(3):
        instance.redis("CLIENT KILL TYPE normal SKIPME yes")
        time.sleep(5)


@pytest.mark.parametrize("trouble", [lose_redis, freeze_redis, fill_redis, cut_redis_connections])
def test_redis_in_trouble(running, make, trouble):
    with Traffic(running, make) as traffic:
        time.sleep(1)
        trouble(running)
        back = time.monotonic()
        while counted(running, make.prefix) < traffic.sent - 50:
            # A full Redis can end a worker in mid-delivery; it is supervised.
            running.supervise()
            assert time.monotonic() - back < 30, "consumption did not resume in 30 s"
            time.sleep(0.2)
    assert traffic.statuses() == {202}
    assert traffic.slowest() < 2
    late = [seconds for _, _, seconds, _ in traffic.answers if seconds > 1]
    assert len(late) <= len(traffic.answers) // 100
    recover(running)
    assert counted(running, make.prefix) == traffic.sent
    audit_is_clean(running)


def restart_postgres(instance):
    instance.stop_postgres()
    time.sleep(5)
    instance.start_postgres()


def kill_postgres(instance):
    instance.kill_postgres()
    time.sleep(5)
    instance.start_postgres()


def make_postgres_read_only(instance):
    instance.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    instance.sql("SELECT pg_reload_conf()")
    time.sleep(6)
    with psycopg.connect(instance.env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")


def use_up_connections(instance):
    """Take every connection there is, those of web and worker included, for a while."""
    mine = []
    deadline = time.monotonic() + 8
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
def test_postgresql_in_trouble(running, make, trouble):
    dead = "SELECT count(*) FROM engagement_deadletterevent"
    before = running.sql(dead)
    with Traffic(running, make) as traffic:
        time.sleep(1)
        trouble(running)
        time.sleep(4)
        back = time.monotonic()
        time.sleep(3)
    assert traffic.statuses() <= {202, 503}
    assert 503 in traffic.statuses(), "there was no outage"
    assert all(after for _, status, _, after in traffic.answers if status == 503)
    assert traffic.statuses(since=back) == {202}, "a stale connection was used afterwards"
    recover(running)
    assert counted(running, make.prefix) == traffic.sent
    assert running.sql(dead) == before
    assert running.sql(
        "SELECT count(*) FROM engagement_ingestbatch b JOIN engagement_event e "
        f"ON e.event_id LIKE '{make.prefix}%' AND b.received_at = e.received_at "
        "WHERE b.attempts > 1"
    ) == [(0,)]
    audit_is_clean(running)
