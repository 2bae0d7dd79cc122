"""`/metrics` for Prometheus, and how requests are counted."""

import ipaddress
import secrets
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.api.authentication import credentials
from engagement.metrics import State
from promopulse.lib.metrics import CONTENT_TYPE, exposition, histogram
from promopulse.lib.problems import Problem
from promotions.coupons.metrics import Books
from promotions.discounts.metrics import Budgets

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"

REQUESTS = histogram(
    "promopulse_http_request_seconds",
    "Requests by route, not by path, with the time each took.",
    "method",
    "route",
    "status",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
# A look-up here costs a tenth of the one that the library does.
_children: dict[tuple[str, str, int], Any] = {}


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request."""
    child = _children.get((method, route, status))
    if child is None:
        known = method if method in _METHODS else "other"
        child = REQUESTS.labels(known, route, str(status))
        if known == method:
            _children[method, route, status] = child
    child.observe(seconds)


def scrape(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes and the state of the database, as Prometheus text."""
    if not may_scrape(request):
        return Problem(request, "permission_denied", "A token is needed: see docs/metrics.md.")
    return HttpResponse(exposition(State(), Budgets(), Books()), content_type=CONTENT_TYPE)


def may_scrape(request: HttpRequest) -> bool:
    """Whoever has the token; without one this machine, unless a proxy may stand in front.

    Behind a proxy on this machine everybody comes from it.
    """
    given = credentials(request.META.get("HTTP_AUTHORIZATION", ""), "Bearer")
    if given is not None:
        token = settings.METRICS_TOKEN
        return bool(token) and secrets.compare_digest(given.encode(), token.encode())
    if settings.HTTPS or settings.TRUSTED_PROXIES:
        return False
    if any(name in request.META for name in _PROXY_HEADERS):
        return False
    return _is_loopback(request.META.get("REMOTE_ADDR", ""))


_PROXY_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
    "HTTP_VIA",
)


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
