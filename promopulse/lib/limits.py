"""Rate limits, counted in Redis for all processes; in each process alone while Redis is away.

A limit never fails a request and never makes one wait: Redis has half a second to answer, and after
a failure it is left alone for a while. The window slides (two counters a key), so that no burst of
twice the limit passes at a minute's edge.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from hashlib import sha1
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import NoScriptError

from promopulse.lib import redis as fast_redis
from promopulse.lib.errors import RateLimited
from promopulse.lib.metrics import counter
from promopulse.lib.problems import problem_for

REFUSED = counter("promopulse_rate_limited", "Requests and events over a limit.", "limit")

_PREFIX = "promopulse:limit"


@dataclass(frozen=True)
class Verdict:
    """What a limit says about one request."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: int  # seconds until there is room again

    def write(self, response: HttpResponse) -> None:
        """Put the RateLimit headers on an answer."""
        response.headers["RateLimit-Limit"] = str(self.limit)
        response.headers["RateLimit-Remaining"] = str(self.remaining)
        response.headers["RateLimit-Reset"] = str(self.reset_after)

    def refusal(self) -> RateLimited:
        return RateLimited(limit=self.limit, retry_after=self.reset_after)


def hit(name: str, *who: str) -> Verdict | None:
    """Count one request of `who` under the rate `name`; None while limits are turned off."""
    return _verdict(name, who, cost=1)


def room(name: str, *who: str) -> Verdict | None:
    """Whether one more request of `who` would be let through; counts nothing.

    For limits on failures: look first, `hit` when it has failed. None while limits are turned off.
    """
    return _verdict(name, who, cost=0)


def _verdict(name: str, who: tuple[str, ...], cost: int) -> Verdict | None:
    if not settings.RATE_LIMITS_ON:
        return None
    verdict = _judge(name, who, cost)
    if not verdict.allowed:
        REFUSED.labels(name).inc()
    return verdict


def limited_by_address(
    name: str,
) -> Callable[[Callable[[HttpRequest], HttpResponse]], Callable[[HttpRequest], HttpResponse]]:
    """Limit a plain view per address."""

    def decorate(
        view: Callable[[HttpRequest], HttpResponse],
    ) -> Callable[[HttpRequest], HttpResponse]:
        @wraps(view)
        def limited(request: HttpRequest) -> HttpResponse:
            verdict = hit(name, address_of(request))
            if verdict is None:
                return view(request)
            response: HttpResponse | None = None
            if not verdict.allowed:
                response = problem_for(verdict.refusal(), request)
            response = response or view(request)
            verdict.write(response)
            return response

        return limited

    return decorate


def address_of(request: HttpRequest) -> str:
    """The caller's address: the peer's, or what the outermost trusted proxy saw.

    Of an IPv6 address its network of 64 bits, since whoever has one of those has all of it.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    address = str(request.META.get("REMOTE_ADDR") or "unknown")
    if settings.TRUSTED_PROXIES and forwarded:
        hops = [hop.strip() for hop in forwarded.split(",")]
        address = hops[-min(settings.TRUSTED_PROXIES, len(hops))]
    return _network(address) if ":" in address else address


def _network(address: str) -> str:
    try:
        known = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(known.ipv4_mapped or IPv6Network((known, 64), strict=False))


def forget_all() -> None:
    """Start counting anew, here and in Redis."""
    _local().storage.reset()
    for key in fast_redis.client().scan_iter(f"{_PREFIX}:*"):
        fast_redis.client().delete(key)


@cache
def _rate(text: str) -> RateLimitItem:
    return parse(text)


@cache
def _local() -> SlidingWindowCounterRateLimiter:
    return SlidingWindowCounterRateLimiter(MemoryStorage())


def _judge(name: str, who: tuple[str, ...], cost: int) -> Verdict:
    rate = _rate(settings.RATE_LIMITS[name])
    try:
        allowed, remaining, wait = _in_redis(rate, name, who, cost)
    except redis.RedisError:
        return _here(rate, name, who, cost)
    return Verdict(bool(allowed), rate.amount, remaining, max(1, -(-wait // 1000)))


def _in_redis(rate: RateLimitItem, name: str, who: tuple[str, ...], cost: int) -> list[int]:
    span = rate.get_expiry() * 1000
    arguments = (1, ":".join((_PREFIX, name, str(span), *who)), rate.amount, span, cost)
    text, digest = _script()
    try:
        answer: list[int] = fast_redis.ask("EVALSHA", digest, *arguments)
    except NoScriptError:
        answer = fast_redis.ask("EVAL", text, *arguments)
    return answer


@cache
def _script() -> tuple[str, str]:
    text = Path(__file__).with_name("limits.lua").read_text(encoding="utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def _here(rate: RateLimitItem, name: str, who: tuple[str, ...], cost: int) -> Verdict:
    ask = _local().hit if cost else _local().test
    allowed = ask(rate, name, *who)
    reset_at, remaining = _local().get_window_stats(rate, name, *who)
    return Verdict(
        allowed=allowed,
        limit=rate.amount,
        remaining=max(0, remaining) if allowed else 0,
        reset_after=max(1, math.ceil(reset_at - time.time())),
    )
