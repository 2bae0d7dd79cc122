"""A whole instance for the tests of faults, with people and promotions in it.

Web and beat run through all of them, as they do outside; each test starts workers of its own.
"""

import itertools
import json
import random
from functools import partial

import pytest

from engagement import ingest
from engagement.processing import breaker
from engagement.tests.scale import SCALE

_WORLD = """
import json
from accounts.tests.factories import UserFactory
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory
promotions = [ActivePromotionFactory() for _ in range(5)]
print(json.dumps([SubscriptionFactory(promotion=promotions[n % 5],
    user=UserFactory(email=f'fault{n}@example.com')).pk for n in range(50)]))
"""
# On, so that every request asks Redis; never reached.
_LIMITS = {"INGEST_WINDOW_LIMIT": "1000000"} | {
    f"RATE_LIMIT_{name}": "1000000/minute" for name in ("API_KEY", "HEALTH")
}
_tests = itertools.count(1)


def pytest_terminal_summary(terminalreporter):
    """Show the figures that tests of faults have recorded."""
    found = [one for one in terminalreporter.getreports("passed") if one.user_properties]
    if found:
        terminalreporter.section("figures")
    for report in found:
        words = ", ".join(f"{name} {value}" for name, value in report.user_properties)
        terminalreporter.line(f"{report.nodeid.partition('::')[2]}: {words}")


@pytest.fixture
def nothing_lately(monkeypatch):
    """Neither failures nor repeats."""
    breaker._recent.clear()
    monkeypatch.setattr(ingest, "_wary_until", 0.0)


@pytest.fixture(scope="session")
def world(live):
    live.env |= _LIMITS | {"PROCESSING_TIMEOUT_SECONDS": str(SCALE.timeout)}
    live.ensure("web", "beat")
    live.subscriptions = json.loads(live.python(_WORLD))
    yield live
    for name in list(live.processes):
        live.kill(name)


@pytest.fixture
def instance(world):
    normal = dict(world.env)
    world.ensure("web", "beat")
    yield world
    world.env = normal
    if "worker" in world.processes:
        world.kill("worker")
    assert world.sql("SELECT count(*) FROM engagement_ingestbatch WHERE processed_at IS NULL") == [
        (0,)
    ]


@pytest.fixture
def make(instance):
    """Events with ids of this test; `make.prefix` finds them again, those of `poison` too."""
    prefix = f"fault-{next(_tests)}-"
    chance = random.Random(7)
    numbers = itertools.count()

    def events(count, word=""):
        return [
            {
                "event_id": f"{word}{prefix}{next(numbers)}",
                "type": "VIEW",
                "subscription_id": chance.choice(instance.subscriptions),
            }
            for _ in range(count)
        ]

    events.prefix = prefix
    events.poison = partial(events, word="poison-")
    return events
