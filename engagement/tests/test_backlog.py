"""Nobody counts for a while: ingest goes on, and what waits is counted at a steady pace."""

import time

import pytest

from engagement.tests.chaos import audit_is_clean, counted, send
from engagement.tests.scale import SCALE
from promopulse.tests.live import resident

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# A child of the pool is replaced between two tasks when it holds more.
MEMORY_KIB = 180_000


def test_a_backlog_is_drained(instance, make, record_property):
    send(instance, make(SCALE.backlog), size=500)
    assert instance.waiting() == -(-SCALE.backlog // 500)
    found = instance.manage("doctor", "--json", check=False)
    assert "none answers" in found.stdout
    assert "requests wait" in found.stdout
    instance.ensure("worker", "beat")
    memory = 0
    started = time.monotonic()
    while instance.waiting():
        assert time.monotonic() - started < 600, "not drained in time"
        memory = max([memory, *map(resident, instance.children("worker"))])
        time.sleep(0.2)
    record_property("events a second", int(SCALE.backlog / (time.monotonic() - started)))
    record_property("KiB a child at most", memory)
    assert memory < MEMORY_KIB
    assert counted(instance, make.prefix) == SCALE.backlog
    audit_is_clean(instance)
