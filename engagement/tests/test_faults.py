"""Workers and web processes die; what was accepted is counted once all the same.

Each test runs a whole instance: durable PostgreSQL, Valkey, web, worker and beat as real processes.
A client records what was acknowledged and sends the rest again.
"""

import time
import urllib.error
from contextlib import suppress

import pytest

from engagement.tests.chaos import INGEST, audit_is_clean, counted, recover, send, send_and_kill
from engagement.tests.scale import SCALE

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CRASH_POINTS = {
    "after the claim": "engagement.processing.work:hold",
    "after counting, before the commit": "engagement.processing.work:_finish",
    "after the commit, before the ack": "engagement.metrics:processed",
    "before the bell is answered": "engagement.doorbell:answer",
}
WEB_CRASH_POINTS = {
    "before the row is stored": "engagement.ingest:_store",
    "after the row is stored, before the bell": "engagement.doorbell:ring",
}


@pytest.mark.parametrize("victim", ["child", "parent"])
@pytest.mark.parametrize("place", CRASH_POINTS.values(), ids=CRASH_POINTS)
def test_a_worker_is_killed_at_a_named_place(instance, make, place, victim):
    """The child of the pool that is there; or its parent, while the child goes on."""
    instance.start("worker", crash_at=place, victim=victim)
    send(instance, make(200))
    instance.wait_for_crash()
    time.sleep(1)  # whoever is left has time to do harm
    instance.kill("worker")
    recover(instance)
    assert counted(instance, make.prefix) == 200
    audit_is_clean(instance)


@pytest.mark.parametrize("victim", ["child", "parent"])
@pytest.mark.parametrize("place", WEB_CRASH_POINTS.values(), ids=WEB_CRASH_POINTS)
def test_a_web_server_is_killed_at_a_named_place(instance, make, place, victim):
    """Who saw no answer sends again; what was stored before is a duplicate."""
    recover(instance)
    instance.kill("web")
    instance.start("web", crash_at=place, victim=victim)
    events = make(3)
    for one in events:
        refused = (ConnectionError, urllib.error.URLError)
        with pytest.raises(refused) if victim == "child" else suppress(*refused):
            instance.request("POST", INGEST, {"events": [one]})
        instance.wait_for_crash()
        time.sleep(1)  # until another process of the server has taken its place
    instance.kill("web")
    instance.start("web")
    send(instance, events)
    recover(instance)
    assert counted(instance, make.prefix) == 3
    audit_is_clean(instance)


VICTIMS = {
    "the worker": lambda instance: instance.pids("worker"),
    "a child of its pool": lambda instance: instance.children("worker"),
    "the web server": lambda instance: instance.pids("web"),
    "one of its processes": lambda instance: instance.children("web"),
}


@pytest.mark.parametrize("victim", VICTIMS.values(), ids=VICTIMS)
def test_killed_at_random(instance, make, victim, record_property):
    recover(instance)
    events = make(SCALE.killed_events)
    longest = send_and_kill(instance, events, victim, times=SCALE.kills)
    record_property("kills", SCALE.kills)
    record_property("seconds until all was handled at most", round(longest, 1))
    assert counted(instance, make.prefix) == SCALE.killed_events
    audit_is_clean(instance)
