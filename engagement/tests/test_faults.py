"""Workers die; what was accepted is counted once all the same."""

import json
import random
import threading
import time

import pytest

from promopulse.tests.live import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.slow]

_WORLD = """
import json
from accounts.tests.factories import UserFactory
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory
promotions = [ActivePromotionFactory() for _ in range(5)]
print(json.dumps([SubscriptionFactory(promotion=promotions[n % 5],
    user=UserFactory(email=f'fault{n}@example.com')).pk for n in range(50)]))
"""


@pytest.fixture(scope="module")
def instance(live):
    live.start("web")
    yield live
    for name in list(live.processes):
        live.kill(name)


def audit_is_clean(instance):
    found = instance.manage("audit", "--json", check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert json.loads(found.stdout)["violations"] == 0


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(instance):
    subscriptions = json.loads(instance.python(_WORLD))
    chance = random.Random(7)
    events = [
        {"event_id": f"kill-{n}", "type": "VIEW", "subscription_id": chance.choice(subscriptions)}
        for n in range(5_000)
    ]
    stop = threading.Event()

    def keep_killing():
        # The first one dies inside its transactions, the others wherever they are.
        instance.start("worker", crash_at="engagement.processing.work:_finish")
        time.sleep(4)
        instance.kill("worker")
        while not stop.is_set():
            instance.start("worker")
            time.sleep(chance.uniform(1.5, 3.5))
            instance.kill("worker")

    killer = threading.Thread(target=keep_killing)
    killer.start()
    try:
        for start in range(0, len(events), 50):
            status, answer = instance.request(
                "POST", "/api/v1/events/ingest", {"events": events[start : start + 50]}
            )
            assert (status, answer["accepted"]) == (202, 50)
            time.sleep(0.08)
    finally:
        stop.set()
        killer.join()
    instance.start("worker")
    instance.start("beat")
    wait_for(lambda: instance.waiting() == 0, 60, "the inbox was not drained in 60 s")
    assert instance.sql("SELECT count(*) FROM engagement_event") == [(5_000,)]
    assert instance.sql("SELECT sum(events) FROM engagement_eventstat") == [(5_000,)]
    assert instance.sql("SELECT count(*) FROM engagement_ingestbatch WHERE attempts > 1")[0][0] > 0
    audit_is_clean(instance)
