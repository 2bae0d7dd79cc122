"""Workers, web processes and servers die; what was accepted is counted once all the same.

Each test runs a whole instance of its own: durable PostgreSQL, Valkey, web, worker and beat as real
processes. A client records what was acknowledged and sends the rest again.
"""

import itertools
import json
import random
import threading
import time

import pytest

from promopulse.tests.live import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.slow]
INGEST = "/api/v1/events/ingest"

_WORLD = """
import json
from accounts.tests.factories import UserFactory
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory
promotions = [ActivePromotionFactory() for _ in range(5)]
print(json.dumps([SubscriptionFactory(promotion=promotions[n % 5],
    user=UserFactory(email=f'fault{n}@example.com')).pk for n in range(50)]))
"""
_tests = itertools.count(1)


@pytest.fixture(scope="module")
def world(live):
    live.start("web")
    live.subscriptions = json.loads(live.python(_WORLD))
    yield live
    for name in list(live.processes):
        live.kill(name)


@pytest.fixture
def instance(world):
    yield world
    for name in ("worker", "beat"):
        if name in world.processes:
            world.kill(name)
    assert world.sql("SELECT count(*) FROM engagement_ingestbatch WHERE processed_at IS NULL") == [
        (0,)
    ]


@pytest.fixture
def make(instance):
    """Events with ids of this test; `make.prefix` finds them again."""
    prefix = f"fault-{next(_tests)}-"
    chance = random.Random(7)
    numbers = itertools.count()

    def events(count, name=prefix):
        return [
            {
                "event_id": f"{name}{next(numbers)}",
                "type": "VIEW",
                "subscription_id": chance.choice(instance.subscriptions),
            }
            for _ in range(count)
        ]

    events.prefix = prefix
    return events


def counted(instance, prefix):
    return instance.sql(
        f"SELECT count(*) FROM engagement_event WHERE event_id LIKE '%{prefix}%'"
    )[0][0]


def audit_is_clean(instance):
    found = instance.manage("audit", "--json", check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert json.loads(found.stdout)["violations"] == 0


def recover(instance, seconds=60):
    """Start what a test had killed; everything that waits is handled in time."""
    for name in ("worker", "beat"):
        if name not in instance.processes:
            instance.start(name)
    wait_for(lambda: instance.waiting() == 0, seconds, "the inbox was not drained in time")


def send(instance, events, size=50, pause=0.0):
    """Send until acknowledged; gives how many requests had to be sent again."""
    repeats = 0
    for start in range(0, len(events), size):
        body = {"events": events[start : start + size]}
        while True:
            try:
                status, answer = instance.request("POST", INGEST, body)
            except OSError:
                status, answer = 0, None
            if status in (200, 202):
                assert not answer["rejected"]
                break
            assert status in (0, 503), answer
            repeats += 1
            time.sleep(0.1)
        time.sleep(pause)
    return repeats


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


@pytest.mark.parametrize("harm", ["raise", "hang", "memory", "kill"])
def test_one_of_fifty_is_poison(instance, make, harm):
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
