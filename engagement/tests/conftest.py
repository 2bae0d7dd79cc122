"""A whole instance for the tests of faults, with people and promotions in it."""

import itertools
import json
import random

import pytest

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


@pytest.fixture(scope="session")
def world(live):
    live.env |= {"RATE_LIMITS": "off"}
    live.start("web")
    live.subscriptions = json.loads(live.python(_WORLD))
    yield live
    for name in list(live.processes):
        live.kill(name)


@pytest.fixture
def instance(world):
    normal = dict(world.env)
    yield world
    world.env = normal
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
