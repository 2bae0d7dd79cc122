"""Workers and web processes die; what was accepted is counted once all the same.

Each test runs a whole instance of its own: durable PostgreSQL, Valkey, web, worker and beat as real
processes. A client records what was acknowledged and sends the rest again.
"""

import random
import threading
import time
import urllib.error

import pytest

from engagement.tests.chaos import INGEST, audit_is_clean, counted, recover, send
from promopulse.tests.live import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CRASH_POINTS = {
    "after the claim": "engagement.processing.work:hold",
    "after counting, before the commit": "engagement.processing.work:_finish",
    "after the commit, before the ack": "engagement.processing.work:_log",
    "before the bell is answered": "engagement.doorbell:answer",
}


@pytest.mark.parametrize("place", CRASH_POINTS.values(), ids=CRASH_POINTS)
def test_a_worker_that_dies_at_a_named_place(instance, make, place):
    instance.start("worker", crash_at=place)
    send(instance, make(200))
    time.sleep(4)
    instance.kill("worker")
    recover(instance)
    assert counted(instance, make.prefix) == 200
    audit_is_clean(instance)


def test_workers_killed_at_random_lose_and_double_nothing(instance, make):
    events = make(5_000)
    chance = random.Random(11)
    stop = threading.Event()

    def keep_killing():
        while not stop.is_set():
            instance.start("worker")
            time.sleep(chance.uniform(1.5, 3.5))
            instance.kill("worker")

    killer = threading.Thread(target=keep_killing)
    killer.start()
    try:
        send(instance, events, pause=0.08)
    finally:
        stop.set()
        killer.join()
    recover(instance)
    assert counted(instance, make.prefix) == 5_000
    audit_is_clean(instance)


def test_the_web_server_killed_while_it_takes_events(instance, make):
    recover(instance)
    events = make(2_000)
    sender = threading.Thread(target=send, args=(instance, events, 20))
    sender.start()
    for _ in range(3):
        time.sleep(0.7)
        instance.kill("web")
        instance.start("web")
    sender.join()
    recover(instance)
    assert counted(instance, make.prefix) == 2_000
    audit_is_clean(instance)


WEB_CRASH_POINTS = {
    "before the row is stored": "engagement.ingest:_store",
    "after the row is stored, before the bell": "engagement.doorbell:ring",
}


@pytest.mark.parametrize("place", WEB_CRASH_POINTS.values(), ids=WEB_CRASH_POINTS)
def test_a_web_server_that_dies_at_a_named_place(instance, make, place):
    """The client saw no answer, so it sends again; what was stored before is a duplicate."""
    recover(instance)
    instance.kill("web")
    instance.start("web", crash_at=place)
    events = make(3)
    for one in events:
        with pytest.raises((ConnectionError, urllib.error.URLError)):
            instance.request("POST", INGEST, {"events": [one]})
        time.sleep(1)
    instance.kill("web")
    instance.start("web")
    send(instance, events)
    recover(instance)
    assert counted(instance, make.prefix) == 3
    audit_is_clean(instance)


@pytest.mark.parametrize("harm", ["raise", "hang", "memory", "kill"])
def test_one_of_fifty_is_poison(instance, make, harm):
    # Children inherit the environment at their start.
    instance.env |= {"PROCESSING_TIMEOUT_SECONDS": "2", "RETRY_SCHEDULE_SECONDS": "1,1"}
    good, bad = make(49), make(1, f"poison-{make.prefix}{harm}-")
    instance.start("worker", crash_at=f"poison:{harm}")
    instance.start("beat")
    send(instance, [*good[:20], *bad, *good[20:]])
    letter = (
        f"SELECT cause FROM engagement_deadletterevent WHERE event_id LIKE 'poison-{make.prefix}%'"
    )
    wait_for(
        lambda: counted(instance, make.prefix) == 49 and len(instance.sql(letter)) == 1,
        120,
        f"{counted(instance, make.prefix)} counted, letters {instance.sql(letter)}",
    )
    expected = "worker_lost" if harm == "kill" else "processing_error"
    assert instance.sql(letter) == [(expected,)]
    audit_is_clean(instance)
