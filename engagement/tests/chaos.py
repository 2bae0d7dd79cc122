"""What the tests of faults share: a client that records what was acknowledged, and the proofs."""

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from promopulse.tests.live import wait_for

INGEST = "/api/v1/events/ingest"
RECOVERY_SECONDS = 60
NOBODY = "nobody is there to be killed"


def counted(instance, prefix):
    """How many events with this in their id are facts."""
    return instance.sql(f"SELECT count(*) FROM engagement_event WHERE event_id LIKE '%{prefix}%'")[
        0
    ][0]


def letters(instance, prefix):
    """(event id, cause) of the dead letters with this in their id."""
    return set(
        instance.sql(
            "SELECT event_id, cause FROM engagement_deadletterevent "
            f"WHERE event_id LIKE '%{prefix}%'"
        )
    )


def audit_is_clean(instance):
    found = instance.manage("audit", "--json", check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert json.loads(found.stdout)["violations"] == 0


def recover(instance, seconds=RECOVERY_SECONDS):
    """Start what a test had killed; everything that waits is handled in time."""
    instance.ensure("web", "worker", "beat")
    wait_for(lambda: instance.waiting() == 0, seconds, "the inbox was not drained in time")


def send(instance, events, size=50):
    """Send until acknowledged; gives how many requests had to be sent again."""
    repeats = 0
    for start in range(0, len(events), size):
        body = {"events": events[start : start + size]}
        deadline = time.monotonic() + 2 * RECOVERY_SECONDS
        while True:
            try:
                status, answer = instance.request("POST", INGEST, body)
            except OSError:
                status, answer = 0, None
            if status in (200, 202):
                assert not answer["rejected"]
                break
            assert status in (0, 503), answer
            assert time.monotonic() < deadline, "nobody took this request in time"
            repeats += 1
            time.sleep(0.1)
    return repeats


def send_and_kill(instance, events, victim, *, times):
    """Send the events in so many bursts; in the middle of each `victim(instance)` is killed.

    Gives the longest time from a kill until all that was acknowledged was handled.
    """
    chance = random.Random(11)
    size = -(-len(events) // times)
    longest = 0.0
    killed: set[int] = set()
    with instance.supervised(), ThreadPoolExecutor() as pool:
        for start in range(0, len(events), size):
            wait_for(lambda: _alive(victim(instance), killed), RECOVERY_SECONDS, NOBODY)
            sending = pool.submit(send, instance, events[start : start + size], 20)
            time.sleep(chance.uniform(0, 0.4))
            killed.add(_kill_one(lambda: _alive(victim(instance), killed), chance))
            killed_at = time.monotonic()
            sending.result()
            wait_for(lambda: instance.waiting() == 0, RECOVERY_SECONDS, "not recovered in time")
            longest = max(longest, time.monotonic() - killed_at)
    return longest


def _alive(pids, killed):
    """Those that are there; one that was killed may take a moment to be gone."""
    return [pid for pid in pids if pid not in killed]


def _kill_one(victims, chance):
    """Kill one of `victims()`, as soon as there are any; gives its process id."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        with suppress(IndexError, ProcessLookupError):  # none now, or gone by itself just now
            pid = chance.choice(victims())
            os.kill(pid, signal.SIGKILL)
            return pid
        assert time.monotonic() < deadline, NOBODY
        time.sleep(0.1)
