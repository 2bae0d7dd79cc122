"""Replays from two shells at once, and with workers that die: each event is counted once."""

import json
import subprocess
import sys
import time

import pytest

from engagement.tests.chaos import audit_is_clean, counted, letters, recover, send
from promopulse.environment import PROJECT
from promopulse.tests.live import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.slow]

_DRAFT = """
import json
from accounts.tests.factories import UserFactory
from promotions.tests.factories import PromotionFactory
print(json.dumps([UserFactory(email="{}@example.com").pk, PromotionFactory().pk]))
"""
_ACTIVATE = "from promotions.services import change_status; change_status({}, status='active')"


@pytest.fixture
def dead(instance, make):
    """Events of a draft that are dead, of a promotion that is active now; gives its id."""

    def make_letters(count, *, poison=0):
        user_id, promotion_id = json.loads(instance.python(_DRAFT.format(make.prefix)))
        events = [
            {
                "event_id": one["event_id"],
                "type": "VIEW",
                "user_id": user_id,
                "promotion_id": promotion_id,
            }
            for one in [*make(count - poison), *make.poison(poison)]
        ]
        send(instance, events)
        recover(instance)
        assert states(instance, promotion_id) == {"open": count}
        instance.python(_ACTIVATE.format(promotion_id))
        return promotion_id

    return make_letters


def states(instance, promotion_id):
    return dict(
        instance.sql(
            "SELECT state, count(*) FROM engagement_deadletterevent "
            f"WHERE promotion_id = {promotion_id} GROUP BY state"
        )
    )


def replay(instance, promotion_id, *more):
    """A shell that runs `dlq_replay`."""
    arguments = ("dlq_replay", "--promotion", str(promotion_id), "--yes", "--json", *more)
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=instance.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_shells_at_once(instance, make, dead):
    promotion_id = dead(300)
    shells = [replay(instance, promotion_id, "--wait") for _ in range(2)]
    said = [(*shell.communicate(timeout=120), shell.returncode) for shell in shells]
    # One that comes in the middle of the other is refused; a later one finds nothing to do.
    assert {code for *_, code in said} <= {0, 4}, said
    became = [json.loads(out).get("became") for out, _err, code in said if code == 0]
    assert sum(one["counted"] for one in became if one) == 300
    assert states(instance, promotion_id) == {"resolved": 300}
    assert counted(instance, make.prefix) == 300
    stats = f"SELECT sum(events) FROM engagement_eventstat WHERE promotion_id = {promotion_id}"
    assert instance.sql(stats) == [(300,)]
    audit_is_clean(instance)


@pytest.mark.parametrize(
    ("place", "left"),
    [
        ("engagement.processing.work:hold", "replaying"),
        ("engagement.processing.settle:close_letters", "replaying"),
        ("engagement.metrics:processed", "resolved"),
    ],
    ids=["after the claim", "between the counts and the letters", "after the commit"],
)
def test_a_worker_dies_in_a_replay(instance, make, dead, place, left):
    promotion_id = dead(600)
    instance.kill("worker")
    instance.start("worker", crash_at=place)
    shell = replay(instance, promotion_id)
    assert shell.wait(60) == 0
    instance.wait_for_crash()
    time.sleep(1)  # another child of the pool has time to do harm
    instance.kill("worker")
    assert states(instance, promotion_id) == {left: 600}
    audit_is_clean(instance)
    recover(instance)
    assert states(instance, promotion_id) == {"resolved": 600}
    assert counted(instance, make.prefix) == 600
    audit_is_clean(instance)


def test_one_event_of_a_replay_ends_its_workers(instance, make, dead):
    instance.env |= {"PROCESSING_TIMEOUT_SECONDS": "2"}
    promotion_id = dead(300, poison=1)
    instance.kill("worker")
    instance.start("worker", crash_at="poison:kill")
    assert replay(instance, promotion_id).wait(60) == 0
    settled = {"resolved": 299, "open": 1}
    wait_for(lambda: states(instance, promotion_id) == settled, 90, "they are not told apart")
    assert {cause for _, cause in letters(instance, "poison-" + make.prefix)} == {"worker_lost"}
    assert counted(instance, make.prefix) == 299
    audit_is_clean(instance)
