"""Problem documents (RFC 9457): the one shape of every refusal under `/api/`."""

import logging
from typing import Any

import msgspec
import psycopg.errors
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf

from promopulse.lib import context
from promopulse.lib.errors import REASONS, DomainError
from promopulse.lib.refusals import refusal_of

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_OUTAGE = 5  # seconds; an outage is rarely over sooner


def document(
    code: str,
    detail: str = "",
    *,
    instance: str,
    params: dict[str, Any] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> bytes:
    """The body of a problem; without a detail it has the sentence of its code."""
    reason = REASONS[code]
    params = params or {}
    return msgspec.json.encode(
        {
            "type": f"/problems/{code}",
            "title": reason.title,
            "status": reason.status,
            "detail": detail or reason.say(params),
            "instance": instance,
            "code": code,
            "params": params,
            "errors": errors or [],
            "request_id": context.request_id.get(),
        }
    )


class Problem(HttpResponse):
    """The answer itself. `code` is one of REASONS; the status is the code's."""

    def __init__(
        self,
        request: HttpRequest,
        code: str,
        detail: str = "",
        *,
        params: dict[str, Any] | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        status = REASONS[code].status
        super().__init__(
            document(code, detail, instance=request.path, params=params, errors=errors),
            content_type=CONTENT_TYPE,
            status=status,
            headers=headers,
        )
        if status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_OUTAGE))
        self.problem_code = code


def is_outage(error: BaseException) -> bool:
    """Whether the database is away, read-only, out of connections or stopped us: not our doing."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction)


def problem_for(error: Exception, request: HttpRequest) -> Problem | None:
    """The problem document of an exception, or None for one that is a fault of ours."""
    if isinstance(error, DomainError):
        headers = {}
        if retry_after := error.params.get("retry_after"):
            headers["Retry-After"] = str(max(1, int(retry_after)))
        return Problem(
            request,
            error.code,
            error.detail,
            params=error.params,
            errors=error.errors,
            headers=headers,
        )
    if isinstance(error, drf.APIException):
        return _of_drf(error, request)
    if isinstance(error, Http404):
        return Problem(request, "not_found")
    if isinstance(error, DjangoPermissionDenied):
        return Problem(request, "permission_denied")
    if isinstance(error, RequestDataTooBig):
        return Problem(request, "too_large")
    if isinstance(error, SuspiciousOperation | UnicodeDecodeError):
        return Problem(request, "malformed")
    if isinstance(error, DatabaseError | InterfaceError):
        return _of_database(error, request)
    return None


def _of_drf(error: drf.APIException, request: HttpRequest) -> Problem:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if isinstance(error, drf.ValidationError):
        return Problem(request, "validation_error", errors=list(pointers(error.detail)))
    if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
        detail = "" if isinstance(error, drf.NotAuthenticated) else str(error.detail)
        return Problem(request, "not_authenticated", detail, headers=headers)
    if isinstance(error, drf.MethodNotAllowed):
        return Problem(request, "method_not_allowed", params={"method": request.method})
    if isinstance(error, drf.Throttled):
        wait = max(1, round(getattr(error, "wait", None) or 1))
        return Problem(
            request,
            "rate_limited",
            params={"retry_after": wait},
            headers={"Retry-After": str(wait)},
        )
    code = {
        400: "malformed",
        403: "permission_denied",
        404: "not_found",
        406: "unsupported_media_type",
        415: "unsupported_media_type",
    }.get(error.status_code, "internal_error")
    return Problem(request, code, str(error.detail) if error.status_code == 400 else "")


def _of_database(error: Exception, request: HttpRequest) -> Problem | None:
    if is_outage(error):
        logger.warning("database unavailable", extra={"error": type(error).__name__})
        return Problem(request, "unavailable")
    # Nets below the services' own checks: a value beyond its column, a lost race on a constraint.
    if isinstance(error, DataError):
        return Problem(request, "validation_error")
    if isinstance(error, IntegrityError):
        refusal = refusal_of(error)
        if refusal is not None:  # spoken by a trigger at the commit, out of a service's hearing
            return Problem(request, refusal.code, params=refusal.params)
        logger.warning("constraint refused", extra={"constraint": constraint_of(error)})
        return Problem(request, "version_conflict")
    return None


def constraint_of(error: BaseException) -> str:
    """The name of the constraint that refused a row, or an empty string."""
    diagnostic = getattr(error.__cause__, "diag", None)
    return (diagnostic and diagnostic.constraint_name) or ""


def pointers(detail: Any, path: str = "") -> Any:
    """Flatten DRF's nested error detail into JSON pointers (RFC 6901)."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            step = str(key).replace("~", "~0").replace("/", "~1")
            yield from pointers(value, path if key == "non_field_errors" else f"{path}/{step}")
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from pointers(value, f"{path}/{index}" if nested else path)
    else:
        yield {"pointer": path, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def exception_handler(error: Exception, handler_context: dict[str, Any]) -> HttpResponse:
    """DRF's EXCEPTION_HANDLER. Never HTML, never a stack trace."""
    request = handler_context["request"]
    problem = problem_for(error, request)
    if problem is None:
        logger.exception("unexpected error", exc_info=error)
        problem = Problem(request, "internal_error")
    problem.exception = True  # type: ignore[attr-defined]
    return problem
