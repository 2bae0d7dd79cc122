"""Pages that belong to no app: the start page, what a problem code means, error pages."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static

from promopulse.lib.errors import REASONS
from promopulse.lib.problems import Problem


def start(request: HttpRequest) -> HttpResponse:
    return render(request, "start.html")


def icon(request: HttpRequest) -> HttpResponse:
    """Where every browser looks, also on the pages of the libraries."""
    return redirect(static("promopulse/icon.svg"))


def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Where a problem document's `type` leads."""
    if code not in REASONS:
        raise Http404
    return render(request, "problem.html", {"code": code, "reason": REASONS[code]})


def _error(request: HttpRequest, code: str) -> HttpResponse:
    if f"{request.path}/".startswith("/api/"):
        return Problem(request, code)
    reason = REASONS[code]
    return render(request, "error.html", {"reason": reason}, status=reason.status)


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return _error(request, "malformed")


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return _error(request, "permission_denied")


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token: sent by another site, or from a page of an earlier session."""
    words = "This form was not from here, or from before you logged in. Load the page anew."
    shown = {"reason": REASONS["permission_denied"], "detail": words}
    return render(request, "error.html", shown, status=403)


def missing(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return _error(request, "not_found")


def broken(request: HttpRequest) -> HttpResponse:
    return _error(request, "internal_error")
