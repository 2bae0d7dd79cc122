"""What the tests of faults share: a client that records what was acknowledged, and the proofs."""

import json
import time

from promopulse.tests.live import wait_for

INGEST = "/api/v1/events/ingest"


def counted(instance, prefix):
    return instance.sql(f"SELECT count(*) FROM engagement_event WHERE event_id LIKE '%{prefix}%'")[
        0
    ][0]


def audit_is_clean(instance):
    found = instance.manage("audit", "--json", check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert json.loads(found.stdout)["violations"] == 0


def recover(instance, seconds=60):
    """Start what a test had killed; everything that waits is handled in time."""
    instance.supervise()
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
