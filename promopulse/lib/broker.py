"""Putting a message on the broker: at once or not at all, so that it never holds a request up."""

from functools import cache
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import producers

from promopulse.lib import brokers
from promopulse.lib import redis as fast_redis

circuit = fast_redis.Circuit("broker")


def send(task: str, *arguments: Any, queue: str) -> bool:
    """Ask a worker to run a task. Never raises.

    False when the broker is away, or is not Redis and may be far away: then beat asks.
    """
    if not brokers.is_redis(settings.CELERY_BROKER_URL) or not circuit.may_pass():
        return False
    try:
        with producers[connection()].acquire(block=True, timeout=1) as producer:
            current_app.send_task(
                task,
                args=arguments,
                producer=producer,
                retry=False,
                ignore_result=True,
                queue=queue,
            )
    except (redis.RedisError, OperationalError, LimitExceeded, OSError) as error:
        circuit.failed(error)
        return False
    circuit.worked()
    return True


@cache
def connection() -> Any:
    """The broker with timeouts for a request; the worker's own are patient."""
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {
        "socket_timeout": fast_redis.ANSWER_SECONDS,
        "socket_connect_timeout": fast_redis.CONNECT_SECONDS,
        "max_retries": 0,
    }
    return Connection(settings.CELERY_BROKER_URL, transport_options=options)
