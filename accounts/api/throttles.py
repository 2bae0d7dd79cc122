"""Limits of API routes. A view names one in `throttle_classes`; the numbers are settings.

`ApiMixin` writes the RateLimit headers; over the limit is the problem `rate_limited`.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import pii
from accounts.principals import client_of, is_service
from promopulse.lib import limits


class Limited(BaseThrottle):
    """Counts each request; subclasses say under which rate and of whom."""

    def rate(self, request: Request) -> str:
        raise NotImplementedError

    def who(self, request: Request) -> tuple[str, ...]:
        raise NotImplementedError

    def allow_request(self, request: Request, view: Any) -> bool:
        verdict = limits.hit(self.rate(request), *self.who(request))
        if verdict is not None:
            known: limits.Verdict | None = getattr(request, "rate_verdict", None)
            # Of several limits the answer tells the one that is nearest.
            if known is None or verdict.remaining <= known.remaining:
                request.rate_verdict = verdict  # type: ignore[attr-defined]
            if not verdict.allowed:
                raise verdict.refusal()
        return True


class PerLogin(Limited):
    """Tries to log in: per address and account. The account's e-mail is kept as its index."""

    def rate(self, request: Request) -> str:
        return "login"

    def who(self, request: Request) -> tuple[str, ...]:
        email = request.data.get("email") if isinstance(request.data, dict) else None
        account = pii.email_index(email if isinstance(email, str) else "").hex()
        return limits.address_of(request._request), account


class PerAddress(Limited):
    """Requests from one address under `name`, whoever they are about."""

    name: str

    def rate(self, request: Request) -> str:
        return self.name

    def who(self, request: Request) -> tuple[str, ...]:
        return (limits.address_of(request._request),)


def per_address(rate: str) -> type[PerAddress]:
    """A throttle class: `throttle_classes = [per_address("register")]`."""
    return type(f"PerAddress{rate.title()}", (PerAddress,), {"name": rate})


class PerCaller(Limited):
    """Requests of one person under `name`; an API key has its own, wider limit."""

    name: str

    def rate(self, request: Request) -> str:
        return "api_key" if is_service(request.user) else self.name

    def who(self, request: Request) -> tuple[str, ...]:
        return (client_of(request.user),)


def per_caller(rate: str) -> type[PerCaller]:
    """A throttle class: `throttle_classes = [per_caller("apply")]`."""
    return type(f"Per{rate.title()}", (PerCaller,), {"name": rate})
