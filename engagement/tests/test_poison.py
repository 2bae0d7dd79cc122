"""Some events do harm, or all of them: the others are counted, or none is lost."""

import random

import pytest

from engagement.tests.chaos import audit_is_clean, counted, letters, recover, send
from engagement.tests.scale import SCALE
from promopulse.tests.live import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def is_paused(instance):
    return bool(instance.sql("SELECT 1 FROM engagement_consumption WHERE paused_at IS NOT NULL"))


@pytest.fixture
def poisoned(instance, make):
    """A worker to which events named by `make.poison` do this harm."""
    instance.env |= {"RETRY_SCHEDULE_SECONDS": "1,1"}

    def start(harm):
        instance.start("worker", crash_at=f"poison:{harm}")

    return start


@pytest.mark.parametrize("harm", ["raise", "hang", "memory", "kill"])
def test_one_of_fifty(instance, make, poisoned, harm):
    instance.env |= {"PROCESSING_TIMEOUT_SECONDS": "2"}
    good, (bad,) = make(49), make.poison(1)
    poisoned(harm)
    send(instance, [*good[:20], bad, *good[20:]])
    cause = "worker_lost" if harm == "kill" else "processing_error"
    wait_for(
        lambda: letters(instance, make.prefix) == {(bad["event_id"], cause)},
        120,
        f"no letter, or another one: {letters(instance, make.prefix)}",
    )
    assert counted(instance, make.prefix) == 49
    assert instance.waiting() == 0
    audit_is_clean(instance)


def test_some_of_very_many(instance, make, poisoned):
    good, bad = make(SCALE.events - SCALE.bad), make.poison(SCALE.bad)
    events = [*good, *bad]
    random.Random(5).shuffle(events)
    poisoned("raise")
    send(instance, events, size=500)
    dead = {(one["event_id"], "processing_error") for one in bad}

    def are_all_settled():
        assert not is_paused(instance), "the good ones are stopped, too"
        return counted(instance, make.prefix) == len(good) and len(
            letters(instance, make.prefix)
        ) >= len(bad)

    wait_for(are_all_settled, 900, "not all were counted or buried")
    assert letters(instance, make.prefix) == dead
    assert instance.waiting() == 0
    audit_is_clean(instance)


def test_all(instance, make, poisoned, record_property):
    """That is a deploy, not poison: consumption stops, says so, and goes on when it is mended."""
    poisoned("raise")
    send(instance, make.poison(SCALE.all_bad))
    wait_for(lambda: is_paused(instance), 60, "consumption goes on")
    waiting = "SELECT max(attempts) FROM engagement_ingestbatch WHERE processed_at IS NULL"
    wait_for(lambda: instance.sql(waiting) == [(0,)], 30, "it cost an attempt")
    record_property("events that failed alone", instance.crashes())
    assert 0 < instance.crashes() <= 200
    assert instance.sql("SELECT count(*) FROM engagement_retryevent") == [(0,)]
    assert letters(instance, make.prefix) == set()
    assert "paused" in instance.request("GET", "/health/ready")[1]["parts"]["consumption"]
    audit_is_clean(instance)
    instance.kill("worker")
    instance.sql("UPDATE engagement_consumption SET probe_at = clock_timestamp()")
    recover(instance)
    assert counted(instance, make.prefix) == SCALE.all_bad
    assert letters(instance, make.prefix) == set()
    audit_is_clean(instance)
