"""A broker that is not Redis: rung beside the request, however it fares."""

import socket
import threading
import time

import pytest

from engagement import doorbell
from promopulse.lib import redis as fast_redis
from promopulse.lib import ringer
from promopulse.lib.redis import Circuit
from promopulse.lib.ringer import Ringer
from promopulse.tests.live import wait_for


@pytest.fixture
def silent():
    """The address of somebody who listens and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def bell(settings, monkeypatch):
    """The doorbell with a circuit and a ringer of its own, at the broker it is told."""
    circuit = Circuit("broker")
    failures = []

    def failed():
        doorbell._rang_in_vain()
        failures.append(1)

    def at(url, **options):
        settings.CELERY_BROKER_URL = url
        settings.CELERY_BROKER_TRANSPORT_OPTIONS = options
        own = Ringer(doorbell._publish, circuit, failed)
        monkeypatch.setattr(doorbell, "_ringer", own)
        monkeypatch.setattr(doorbell, "_broker_circuit", circuit)
        monkeypatch.setattr(doorbell, "_quiet_until", 0.0)
        fast_redis.ask("DEL", doorbell.MARK)

    at.circuit = circuit
    at.failures = failures
    yield at
    fast_redis.ask("DEL", doorbell.MARK)


@pytest.mark.parametrize("kind", ["amqp://guest:guest@{}//", "sqs://key:secret@{}"])
def test_a_silent_broker_keeps_nobody_waiting(bell, silent, monkeypatch, kind):
    monkeypatch.setattr(ringer, "PATIENCE_SECONDS", 1.0)
    bell(kind.format(silent))
    assert ringer._connect().transport  # its library is loaded before the time is taken
    started = time.monotonic()
    assert doorbell.ring()
    assert time.monotonic() - started < 0.5
    assert not bell.failures
    wait_for(lambda: bell.failures, 30, "the silence was not noticed")
    assert not bell.circuit.may_pass()
    assert not fast_redis.ask("EXISTS", doorbell.MARK), "the next event would not ring"


def test_asked_while_it_rings_it_rings_once_more(bell, tmp_path):
    at_work, go_on, rings = threading.Event(), threading.Event(), []

    def publish(_producer):
        rings.append(1)
        at_work.set()
        assert go_on.wait(30)

    bell("memory://")
    one = Ringer(publish, Circuit("broker"), failed=lambda: None)
    one.ask()
    assert at_work.wait(30)
    one.ask()
    one.ask()
    go_on.set()
    wait_for(lambda: len(rings) == 2, 30, "it did not ring again")
    time.sleep(0.2)
    assert len(rings) == 2


def test_after_a_failure_it_connects_anew(bell):
    used = []

    def publish(producer):
        used.append(producer.channel.connection.client)
        if len(used) == 1:
            raise LookupError("a queue that somebody deleted")

    bell("memory://")
    circuit, failures = Circuit("broker"), []
    one = Ringer(publish, circuit, failed=lambda: failures.append(1))
    one.ask()
    wait_for(lambda: failures, 30, "the failure was not told")
    assert not circuit.may_pass()
    one.ask()
    wait_for(lambda: len(used) == 2, 30, "it did not try again")
    wait_for(circuit.may_pass, 30, "the circuit stayed broken")
    assert used[0] is not used[1]
    assert len(failures) == 1
