"""Redis for the request path: short timeouts, no retries, since a request must not wait for it."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_SECONDS = 0.2
ANSWER_SECONDS = 0.3


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
