"""Rate limits: exact in Redis, still there without it, never in the way."""

import time

import pytest
import redis

from promopulse.lib import limits
from promopulse.lib import redis as fast_redis
from promopulse.lib.redis import Circuit


@pytest.fixture
def few(settings, rate_limits):
    settings.RATE_LIMITS = {"few": "3/minute", "health": "3/minute"}


def test_the_limit_is_exact_and_counts_down(few):
    verdicts = [limits.hit("few", "someone") for _ in range(4)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
    assert all(1 <= verdict.reset_after <= 60 for verdict in verdicts)


def test_each_caller_and_each_rate_counts_alone(few):
    for _ in range(3):
        limits.hit("few", "someone")
    assert limits.hit("few", "another").allowed
    assert limits.hit("health", "someone").allowed


@pytest.mark.parametrize("burst", [1, 2, 3])
def test_the_window_slides(settings, rate_limits, burst):
    """A burst at the end of a span still counts at the beginning of the next, then less and less;
    whoever waits as long as they were told is let through."""
    settings.RATE_LIMITS = {"few": "3/second"}
    time.sleep((0.9 - time.time() % 1) % 1)
    assert [limits.hit("few", "someone").allowed for _ in range(burst)] == [True] * burst
    time.sleep(0.15)
    # The span before counts nearly whole: less than `burst` and more than one less.
    more = [limits.hit("few", "someone").allowed for _ in range(4)]
    assert sum(more) == 4 - burst
    verdict = limits.room("few", "someone")
    assert not verdict.allowed
    time.sleep(verdict.reset_after)
    assert limits.room("few", "someone").allowed


def test_a_look_counts_nothing(few):
    assert [limits.room("few", "someone").remaining for _ in range(9)] == [3] * 9
    assert limits.hit("few", "someone").remaining == 2


def test_limits_can_be_turned_off(few, settings):
    settings.RATE_LIMITS_ON = False
    assert [limits.hit("few", "someone") for _ in range(5)] == [None] * 5


def test_without_redis_this_process_counts_and_nothing_waits(few, settings, monkeypatch):
    asked = []

    def away(command):
        asked.append(command)
        raise redis.ConnectionError("away")

    monkeypatch.setattr(fast_redis, "_on_own_connection", away)
    monkeypatch.setattr(fast_redis, "circuit", Circuit("redis"))
    started = time.perf_counter()
    allowed = [limits.hit("few", "someone").allowed for _ in range(4)]
    assert allowed == [True, True, True, False]
    assert time.perf_counter() - started < 0.5
    assert len(asked) == 1, "after a failure Redis is left alone for a while"


def test_redis_is_asked_again_later(few, monkeypatch):
    circuit = Circuit("redis")
    monkeypatch.setattr(fast_redis, "circuit", circuit)
    circuit.failed(redis.ConnectionError())
    circuit._try_at = time.monotonic()
    limits._local().storage.reset()
    for _ in range(3):
        limits.hit("few", "someone")
    assert not limits._local().storage.storage, "counted in Redis, not here"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_health_is_limited_per_address(few, client, path):
    answers = [client.get(path, REMOTE_ADDR="10.0.0.1") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0]["RateLimit-Limit"] == "3"
    assert answers[0]["RateLimit-Remaining"] == "2"
    refused = answers[-1]
    assert refused["Content-Type"] == "application/problem+json"
    assert refused["RateLimit-Remaining"] == "0"
    assert int(refused["Retry-After"]) >= 1
    problem = refused.json()
    assert problem["code"] == "rate_limited"
    assert problem["params"] == {"limit": 3, "retry_after": int(refused["Retry-After"])}
    assert client.get(path, REMOTE_ADDR="10.0.0.2").status_code == 200


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1:5000", "10.0.0.1:5000"),
        ("", "unknown"),
    ],
)
def test_whoever_has_one_address_of_a_network_is_one_caller(rf, address, counted_as):
    assert limits.address_of(rf.get("/", REMOTE_ADDR=address)) == counted_as


@pytest.mark.parametrize(
    ("proxies", "expected"), [(0, "127.0.0.1"), (1, "9.9.9.9"), (2, "8.8.8.8"), (5, "7.7.7.7")]
)
def test_only_trusted_proxies_say_who_calls(settings, rf, proxies, expected):
    settings.TRUSTED_PROXIES = proxies
    request = rf.get("/", headers={"X-Forwarded-For": "7.7.7.7, 8.8.8.8, 9.9.9.9"})
    assert limits.address_of(request) == expected
