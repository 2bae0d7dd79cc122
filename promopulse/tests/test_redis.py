"""Redis in the request path: never waited for twice, one to try when it has rested."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from promopulse.lib import redis as fast_redis
from promopulse.lib.redis import Circuit, LeftAlone


@pytest.fixture
def circuit(monkeypatch):
    made = Circuit("redis")
    monkeypatch.setattr(fast_redis, "circuit", made)
    return made


def rested(circuit):
    circuit._try_at = time.monotonic()


def test_a_broken_circuit_lets_one_try_and_closes_when_that_goes_well(circuit):
    circuit.failed(redis.TimeoutError())
    assert not circuit.may_pass()
    rested(circuit)
    assert [circuit.may_pass() for _ in range(5)] == [True, False, False, False, False]
    circuit.failed(redis.TimeoutError())
    assert not circuit.may_pass()
    rested(circuit)
    assert circuit.may_pass()
    circuit.worked()
    assert all(circuit.may_pass() for _ in range(5))


def test_it_says_once_that_redis_is_away_and_once_that_it_is_back(circuit, caplog):
    for _ in range(3):
        circuit.failed(redis.TimeoutError())
    circuit.worked()
    circuit.worked()
    assert [line.getMessage() for line in caplog.records] == ["redis left alone", "redis is back"]


def test_a_connection_cut_from_afar_is_made_again(circuit):
    assert fast_redis.ask("SET", "there", "1") == b"OK"
    fast_redis.client().client_kill_filter(_type="normal", skipme=True)
    assert fast_redis.ask("GET", "there") == b"1"
    assert circuit.may_pass()


def test_a_child_has_a_connection_of_its_own(circuit):
    mine = fast_redis.ask("CLIENT", "ID")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, str(fast_redis.ask("CLIENT", "ID")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reading, 100)) != mine
    assert fast_redis.ask("CLIENT", "ID") == mine


@pytest.mark.skipif("TEST_REDIS_URL" in os.environ, reason="not ours to freeze")
def test_a_frozen_redis_delays_one_request_a_second(circuit):
    server = fast_redis.client().info("server")["process_id"]
    fast_redis.ask("PING")
    os.kill(server, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(redis.RedisError):
            fast_redis.ask("PING")
        assert time.monotonic() - started < 0.6

        rested(circuit)
        start = threading.Barrier(8)

        def wait(_number):
            start.wait()
            began = time.monotonic()
            with pytest.raises(redis.RedisError) as caught:
                fast_redis.ask("PING")
            return type(caught.value), time.monotonic() - began

        with ThreadPoolExecutor(8) as pool:
            waits = list(pool.map(wait, range(8)))
        assert [kind for kind, _ in waits].count(LeftAlone) == 7
        assert max(seconds for kind, seconds in waits if kind is LeftAlone) < 0.2
    finally:
        os.kill(server, signal.SIGCONT)
    rested(circuit)
    assert fast_redis.ask("PING") in (b"PONG", "PONG", True)
    assert circuit.may_pass()
