"""What every request gets: an id, a clean path, bounded size, headers, one log line."""

import logging
import random
import re
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from engagement.api.ingest import ingest_events
from promopulse.lib import context
from promopulse.lib.context import Actor
from promopulse.lib.problems import Problem, problem_for
from promopulse.metrics import UNMATCHED, observe

logger = logging.getLogger("promopulse.requests")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_API = "/api/"
INGEST_PATH = "/api/v1/events/ingest"

# The published curl lines of the first README, which had no prefix.
_UNPREFIXED = re.compile(r"/(?:promotions|subscriptions|users|events/ingest)(?:/|$)")

_SLASH_OPTIONAL = (
    *(_API, "/health", "/metrics", "/docs", "/redoc", "/problems"),
    *("/login", "/logout", "/my", "/desk"),
)

_STRICT_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# The admin's theme evaluates Alpine expressions and sets inline styles; the API's own pages
# (browsable API, docs) carry inline styles and scripts of their libraries.
_ADMIN_CSP = _STRICT_CSP.replace(
    "script-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval'"
).replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_LIBRARY_PAGES_CSP = (
    _STRICT_CSP.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'").replace(
        "style-src 'self'", "style-src 'self' 'unsafe-inline'"
    )
    + "; worker-src blob:"
)


def _csp(path: str, content_type: str) -> str:
    if path.startswith("/admin"):
        return _ADMIN_CSP
    if path.startswith((_API, "/docs", "/redoc")) and content_type.startswith("text/html"):
        return _LIBRARY_PAGES_CSP
    return _STRICT_CSP


def _route(request: HttpRequest) -> str:
    """The route's template: a path could hold anything, and be another one each time."""
    if request.path_info == INGEST_PATH:
        return INGEST_PATH[1:]
    match = request.resolver_match
    return match.route if match else UNMATCHED


class RequestContext:
    """Outermost middleware. Failures under `/api/` that no view saw become problem documents."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        offered = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = (
            offered if _REQUEST_ID.fullmatch(offered) else f"{random.getrandbits(128):032x}"
        )
        context.begin(request_id)
        self._clean_path(request)

        response = self._refuse(request) or self._answer(request)

        headers = response.headers
        elapsed = time.perf_counter() - started
        headers["X-Request-ID"] = request_id
        headers["X-Process-Time"] = f"{elapsed:.6f}"
        headers["X-XSS-Protection"] = "1; mode=block"
        headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}"
        headers["Content-Security-Policy"] = _csp(
            request.path_info, headers.get("Content-Type", "")
        )
        observe(request.method or "", _route(request), response.status_code, elapsed)
        # Never the query string: it can hold an e-mail address. What was accepted is in a row with
        # its request id, so a line for each would only be noise.
        quiet = response.status_code == 202 and request.path_info == INGEST_PATH
        logger.log(
            logging.DEBUG if quiet else logging.INFO,
            "request",
            extra={
                "method": request.method,
                "path": request.path_info,
                "status": response.status_code,
                "ms": round(elapsed * 1000, 1),
            },
        )
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        """The hot route passes the other middleware by: it has no session, cookie or template.

        Where they have something to do (a browser of another origin, a redirect to HTTPS), they do.
        """
        hot = request.path_info == INGEST_PATH and request.method == "POST"
        insecure = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        if not hot or insecure or "HTTP_ORIGIN" in request.META:
            return self.get_response(request)
        try:
            request.get_host()  # raises for a host that is not allowed
            response = ingest_events(request)
        except Exception as error:
            response = self.process_exception(request, error) or Problem(request, "internal_error")
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = settings.X_FRAME_OPTIONS
        response.headers["Referrer-Policy"] = settings.SECURE_REFERRER_POLICY
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Plain views under `/api/` refuse in the same shape as DRF's."""
        if not request.path_info.startswith(_API):
            return None
        problem = problem_for(error, request)
        if problem is None:
            logger.exception("unexpected error", exc_info=error)
            problem = Problem(request, "internal_error")
        return problem

    @staticmethod
    def _clean_path(request: HttpRequest) -> None:
        path = request.path_info
        if _UNPREFIXED.match(path):
            path = f"{_API}v1{path}"
        if path.startswith(_SLASH_OPTIONAL):
            path = path.rstrip("/")
        if path != request.path_info:
            request.path_info = request.path = path

    @staticmethod
    def _refuse(request: HttpRequest) -> HttpResponse | None:
        if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return Problem(request, "malformed", "NUL characters are not allowed")
        # A number of thousands of digits is no number to Python.
        length = (request.META.get("CONTENT_LENGTH") or "0").lstrip("0")[:20]
        if length.isdigit() and int(length) > settings.MAX_BODY_BYTES:
            return Problem(request, "too_large", params={"limit": settings.MAX_BODY_BYTES})
        return None


class AdminActor:
    """What is written in the admin is written by the person who is logged in there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and request.user.is_authenticated:
            context.actor.set(Actor(user_id=request.user.pk, via="admin"))
        return self.get_response(request)
