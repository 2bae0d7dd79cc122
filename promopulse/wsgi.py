"""The WSGI entry point, and what must be put right before Django makes a request of it."""

import os
import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.http import HttpRequest
from django.urls import ResolverMatch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")

_BOUNDARY = re.compile(r';\s*(boundary=(?:"[^"]*"|[^\s";]*))', re.IGNORECASE)
get_wsgi_application()  # sets Django up


class Handler(WSGIHandler):
    """Django's, which remembers where paths without a parameter lead: it tries some seventy
    patterns for a route of the API, and there are no more such paths than routes."""

    def __init__(self) -> None:
        self._known: dict[str, ResolverMatch] = {}
        super().__init__()

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        known = self._known.get(request.path_info)
        if known is not None and not hasattr(request, "urlconf"):
            request.resolver_match = known
            return known
        found: ResolverMatch = super().resolve_request(request)
        if not found.args and not found.kwargs and not hasattr(request, "urlconf"):
            self._known[request.path_info] = found
        return found


_django = Handler()

from engagement import doorbell  # noqa: E402  these need Django set up
from promopulse.middleware import INGEST_PATH  # noqa: E402

doorbell.load()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django, behind two small corrections of what the server hands over."""
    _only_utf8(environ)
    _measure(environ)
    if environ.get("PATH_INFO") == INGEST_PATH and environ["REQUEST_METHOD"] == "POST":
        return _without_signals(environ, start_response)
    return _django(environ, start_response)


def _without_signals(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """What Django's handler does, but for the signals around a request.

    Of their receivers ingest needs one: that which gives the database connection back.
    """
    try:
        response = _django.get_response(WSGIRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [b"".join(response)]
    finally:
        close_old_connections()


def _only_utf8(environ: dict[str, Any]) -> None:
    """Of a content type's parameters keep the boundary: all text that is sent here is UTF-8.

    Django would decode the query with the codec named there, whichever that is: `charset=hex`
    would end the request before anything of ours could answer it.
    """
    content_type = environ.get("CONTENT_TYPE", "")
    if ";" in content_type:
        boundary = _BOUNDARY.search(content_type)
        media_type = content_type.partition(";")[0]
        environ["CONTENT_TYPE"] = f"{media_type}; {boundary[1]}" if boundary else media_type


def _measure(environ: dict[str, Any]) -> None:
    """Give a chunked body the length that Django wants: it would take it for an empty one.

    One byte over the limit is enough for it to be refused.
    """
    if environ.get("CONTENT_LENGTH") or not environ.get("wsgi.input_terminated"):
        return
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        body = environ["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = BytesIO(body)
