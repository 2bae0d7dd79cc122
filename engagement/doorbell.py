"""The doorbell: wakes a worker after a commit. Losing a ring only delays; the rows are the truth.

Rings are coalesced by a mark in Redis: while it stands, a drain is on its way. The drain takes the
mark away when it finds nothing more and looks again LINGER_SECONDS later, so whoever saw the mark,
or set it, may keep quiet for a little less than that. A Redis that is away or slow costs a request
some tenths of a second once a second at most, never its answer.
"""

import time
from contextlib import suppress

import redis
from celery import current_app
from django.conf import settings
from kombu import Producer
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers

from engagement.metrics import DOORBELL_FAILURES
from promopulse.lib import broker, brokers
from promopulse.lib import redis as fast_redis
from promopulse.lib.ringer import Ringer

MARK = "pp:doorbell"
HEARTBEAT = "pp:worker"
HEARTBEAT_SECONDS = 15
TASK = "engagement.drain_inbox"

LINGER_SECONDS = 0.03
QUIET_SECONDS = 0.02

_broker_circuit = broker.circuit
_quiet_until = 0.0


def load() -> None:
    """Import what the first ring needs: a tenth of a second that no request should wait for."""
    if brokers.is_redis(settings.CELERY_BROKER_URL):
        broker.connection().get_transport_cls()
    _ = current_app.amqp, current_app.backend


def ring() -> bool:
    """Ask for a drain unless one is on its way. Never raises; False when the bell is broken."""
    global _quiet_until
    now = time.monotonic()
    if now < _quiet_until:
        return True
    lifetime = int(settings.DOORBELL_LIFETIME.total_seconds() * 1000)
    try:
        first = fast_redis.ask("SET", MARK, b"1", "NX", "PX", lifetime)
    except redis.RedisError:
        DOORBELL_FAILURES.inc()
        return False
    if first and not _send():
        DOORBELL_FAILURES.inc()
        return False
    _quiet_until = now + QUIET_SECONDS
    return True


def answer() -> None:
    """Take the mark away: from now on a new ring sends a new message. Never raises."""
    with suppress(redis.RedisError):  # left to expire
        fast_redis.ask("DEL", MARK)


def beat_heart() -> None:
    """Leave word that a worker lives; the beat rings often enough to keep it. Never raises."""
    with suppress(redis.RedisError):
        fast_redis.ask("SET", HEARTBEAT, b"1", "EX", HEARTBEAT_SECONDS)


def is_worker_alive() -> bool:
    """Whether a worker left word lately. Raises redis.RedisError."""
    return bool(fast_redis.ask("EXISTS", HEARTBEAT))


def call_help() -> bool:
    """Wake one more worker for a backlog. Never raises."""
    return _send()


def _send() -> bool:
    """Put one drain message on the broker, at once or not at all. Never raises.

    A broker that is not Redis may be far away: there it is sent beside the request.
    """
    if not _broker_circuit.may_pass():
        return False
    if not brokers.is_redis(settings.CELERY_BROKER_URL):
        _ringer.ask()
        return True
    try:
        with producers[broker.connection()].acquire(block=True, timeout=1) as producer:
            _publish(producer)
    except (redis.RedisError, OperationalError, LimitExceeded, OSError) as error:
        _broker_circuit.failed(error)
        return False
    _broker_circuit.worked()
    return True


def _publish(producer: Producer) -> None:
    current_app.send_task(TASK, producer=producer, retry=False, ignore_result=True, queue="events")


def _rang_in_vain() -> None:
    DOORBELL_FAILURES.inc()
    answer()


_ringer = Ringer(_publish, _broker_circuit, failed=_rang_in_vain)
