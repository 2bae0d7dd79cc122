"""What Celery is told about its broker, from one URL and a few variables.

Any broker Celery knows will do: a message is only a wake-up call, the rows are the truth, and beat
rings again for every message that was lost.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl

QUEUES = ("events", "celery")

VISIBILITY_SECONDS = 900  # longer than any task may run
# Wake-up calls of an hour without a worker: what is older is not worth the way to it.
SQS_RETENTION_SECONDS = 3_600

_REDIS = {"redis", "rediss", "sentinel", "redis+socket"}
_AMQP = {"amqp", "amqps", "pyamqp"}


@dataclass(frozen=True)
class Broker:
    """What Celery calls broker_url, broker_transport_options and broker_transport."""

    url: str
    options: dict[str, Any]
    transport: str | None = None  # None: the one of the URL's scheme


def from_environment(environ: Mapping[str, str]) -> Broker:
    """The broker that BROKER_URL names, else the one at REDIS_URL.

    Raises ValueError, naming the variable, for what cannot be understood.
    """
    url = _celery_url(environ.get("BROKER_URL") or environ["REDIS_URL"])
    given = _given_options(environ)
    if is_redis(url):
        return Broker(url, _redis_options(url) | given)
    if scheme_of(url) == "sqs":
        return Broker(url, _sqs_options(environ) | given, "promopulse.lib.sqs:Transport")
    return Broker(url, given)


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def is_redis(url: str) -> bool:
    return scheme_of(url) in _REDIS


def sender_options(url: str, options: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """Transport options of a sender that gives up after some `seconds`, where it can be told to."""
    scheme = scheme_of(url)
    if scheme == "sqs":
        patience = {
            "connect_timeout": seconds,
            "read_timeout": seconds,
            "retries": {"total_max_attempts": 1},
        }
        return options | {"client-config": options.get("client-config", {}) | patience}
    if scheme in _AMQP:
        return options | {"read_timeout": seconds, "write_timeout": seconds}
    return options


def _celery_url(url: str) -> str:
    """Celery's spelling of redis-py's `unix://` address."""
    if scheme_of(url) != "unix":
        return url
    address, _, query = url.partition("?")
    database = dict(parse_qsl(query)).get("db")
    return address.replace("unix", "redis+socket", 1) + (
        f"?virtual_host={database}" if database else ""
    )


def _redis_options(url: str) -> dict[str, Any]:
    return {
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": scheme_of(url) != "redis+socket",
        "health_check_interval": 25,
    }


def _sqs_options(environ: Mapping[str, str]) -> dict[str, Any]:
    if find_spec("boto3") is None:
        raise ValueError(
            "BROKER_URL is Amazon SQS: install requirements-sqs.lock (docs/brokers.md)"
        )
    visibility = environ.get("SQS_VISIBILITY_TIMEOUT_SECONDS") or str(VISIBILITY_SECONDS)
    if not visibility.isdecimal():
        raise ValueError("SQS_VISIBILITY_TIMEOUT_SECONDS is not a whole number")
    options: dict[str, Any] = {
        "visibility_timeout": int(visibility),
        # Not 0: kombu asks without a pause while every process of the worker is busy.
        "polling_interval": 0.1,
    }
    if region := environ.get("SQS_REGION"):
        options["region"] = region
    if queues := _sqs_queues(environ.get("SQS_QUEUES", "")):
        return options | {"predefined_queues": queues}
    return options | {
        "queue_name_prefix": environ.get("SQS_QUEUE_PREFIX") or "promopulse-",
        "sqs-creation-attributes": {"MessageRetentionPeriod": str(SQS_RETENTION_SECONDS)},
    }


def _sqs_queues(text: str) -> dict[str, dict[str, str]]:
    """`events=URL,celery=URL`, as kombu wants them."""
    if not text.strip():
        return {}
    named = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if set(named) != set(QUEUES) or not all(named.values()):
        raise ValueError(f"SQS_QUEUES is not {','.join(f'{name}=URL' for name in QUEUES)}")
    return {name: {"url": url} for name, url in named.items()}


def _given_options(environ: Mapping[str, str]) -> dict[str, Any]:
    text = environ.get("BROKER_OPTIONS") or "{}"
    try:
        options = json.loads(text)
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise ValueError("BROKER_OPTIONS is not a JSON object")
    return options
