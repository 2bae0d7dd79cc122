"""Redis for the request path: short timeouts, no waiting in line, left alone after a failure.

A frozen or missing Redis costs one request in a second some tenths of a second, never an answer:
whoever finds it broken breaks the circuit, and until it has rested nobody else asks.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import redis
from django.conf import settings
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from promopulse.lib.metrics import counter

logger = logging.getLogger(__name__)

FAILURES = counter(
    "promopulse_redis_failures", "Calls that Redis or the broker did not answer well.", "server"
)

CONNECT_SECONDS = 0.2
ANSWER_SECONDS = 0.3
REST_SECONDS = 1.0


class LeftAlone(redis.ConnectionError):
    """Redis failed a moment ago and is not asked again yet."""


class Circuit:
    """Broken by a failure, it lets nobody through for a while, then one caller to try."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._broken = False
        self._try_at = 0.0

    def may_pass(self) -> bool:
        """Whether to try. The one that may while it is broken tells how it went."""
        if not self._broken:
            return True
        with self._lock:
            if time.monotonic() < self._try_at:
                return False
            self._try_at = time.monotonic() + REST_SECONDS
            return True

    def worked(self) -> None:
        if self._broken:
            self._broken = False
            logger.warning("%s is back", self.name)

    def failed(self, error: BaseException) -> None:
        with self._lock:
            self._try_at = time.monotonic() + REST_SECONDS
            known, self._broken = self._broken, True
        FAILURES.labels(self.name).inc()
        if not known:
            logger.warning("%s left alone", self.name, extra={"error": type(error).__name__})

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run a block that asks Redis. Raises LeftAlone instead while the circuit is broken."""
        if not self.may_pass():
            raise LeftAlone(self.name)
        try:
            yield
        except redis.RedisError as error:
            self.failed(error)
            raise
        self.worked()


circuit = Circuit("redis")


@cache
def client() -> "redis.Redis":
    """One pooled client per process. Every call can raise redis.RedisError within half a second."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
    )


def ask(*command: Any) -> Any:
    """One command on this thread's own connection: a third of the client's cost per call.

    Raises redis.RedisError, at once while Redis is left alone. A script that is not known there
    (NoScriptError) is an answer, not a failure.
    """
    if not circuit.may_pass():
        raise LeftAlone(circuit.name)
    try:
        answer = _on_own_connection(command)
    except NoScriptError:
        circuit.worked()
        raise
    except redis.RedisError as error:
        circuit.failed(error)
        raise
    circuit.worked()
    return answer


_own = threading.local()


def _forget_connections() -> None:
    """A child must not speak on its parent's connection."""
    global _own
    _own = threading.local()


os.register_at_fork(after_in_child=_forget_connections)


def _on_own_connection(command: tuple[Any, ...]) -> Any:
    connection = getattr(_own, "connection", None)
    if connection is None:
        pool = client().connection_pool
        connection = _own.connection = pool.connection_class(**pool.connection_kwargs)
    # Packed here: the connection would look at each of thousands of arguments before it did.
    packed = [pack_command(command)]
    try:
        connection.send_packed_command(packed)
        return connection.read_response()
    except redis.TimeoutError:
        raise
    except redis.ConnectionError:
        # It may have been closed while it rested, by a restart say; a new one tells.
        connection.disconnect()
        connection.send_packed_command(packed)
        return connection.read_response()
