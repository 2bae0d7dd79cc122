"""`POST events/ingest`: the hot view.

A plain Django view, since every microsecond is paid a million times. Whether the caller may still
send is checked by the statement that stores the events, so that a revoked key is refused at once.
"""

import re
import time
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts import keys
from accounts.api.authentication import credentials
from accounts.models import User
from accounts.principals import reach_of
from accounts.roles import Permission, Reach, Scope
from accounts.tokens import TOKEN_VERSION
from engagement import ingest, wire
from engagement.window import Window
from promopulse.lib.limits import Verdict
from promopulse.lib.problems import Problem
from promopulse.lib.strict_json import Unreadable

_MANY = re.compile(rb'\s*\{\s*"events"\s*:')
_KEY_TRUSTED_SECONDS = 60
_POINTER = re.compile(r" - at `\$(.*)`\Z")

_ACCEPTED = b'{"status":"accepted"}'
_DUPLICATE = b'{"status":"duplicate"}'


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


@csrf_exempt
def ingest_events(request: HttpRequest) -> HttpResponse:
    """Accept one event, `{"events": [...]}` or NDJSON. 202 means: on disk, will be counted once."""
    if request.method != "POST":
        problem = Problem(request, "method_not_allowed", params={"method": request.method})
        problem.headers["Allow"] = "POST"
        return problem
    try:
        caller, limited = _caller(request)
        window = Window() if limited and settings.RATE_LIMITS_ON else None
        content_type = (request.content_type or "").lower()
        if content_type == "application/x-ndjson":
            return _many(request, caller, window, ndjson=True)
        if content_type != "application/json":
            return Problem(
                request,
                "unsupported_media_type",
                "Content-Type: application/json is needed; application/x-ndjson for many events.",
            )
        if _MANY.match(request.body):
            return _many(request, caller, window, ndjson=False)
        return _one(request, caller, window)
    except _Refused as refusal:
        return refusal.problem
    except wire.Malformed as error:
        return Problem(request, "malformed", str(error))
    except Unreadable as error:
        return _invalid(request, str(error))
    except ingest.CallerGone:
        return _why_gone(request)


def _many(
    request: HttpRequest, caller: ingest.Caller, window: Window | None, *, ndjson: bool
) -> HttpResponse:
    body = request.body
    outcome = _again_if_stale(
        lambda: ingest.ingest_body(body, ndjson=ndjson, caller=caller, window=window)
    )
    return HttpResponse(
        msgspec.json.encode(outcome),
        status=202 if outcome.accepted else 200,
        content_type="application/json",
    )


def _one(request: HttpRequest, caller: ingest.Caller, window: Window | None) -> HttpResponse:
    event = wire.decode_one(request.body)
    outcome = _again_if_stale(
        lambda: ingest.ingest_events([(0, event)], rejected=[], caller=caller, window=window)
    )
    verdict = window.verdict() if window else None
    response: HttpResponse
    if outcome.accepted:
        response = HttpResponse(_ACCEPTED, status=202, content_type="application/json")
    elif outcome.duplicates:
        response = HttpResponse(_DUPLICATE, status=200, content_type="application/json")
    elif outcome.rejected[0].code == "validation_error":
        return _invalid(request, outcome.rejected[0].detail)
    elif verdict and outcome.rejected[0].code == "rate_limited":
        response = _over_the_limit(request, verdict)
    else:
        response = Problem(request, outcome.rejected[0].code)
    if verdict:
        verdict.write(response)
    return response


def _over_the_limit(request: HttpRequest, verdict: Verdict) -> Problem:
    return Problem(
        request,
        "rate_limited",
        params={"limit": verdict.limit, "retry_after": verdict.reset_after},
        headers={"Retry-After": str(verdict.reset_after)},
    )


def _again_if_stale(act: Any) -> Any:
    """A pooled connection may have died unseen; event ids make a second try safe."""
    try:
        return act()
    except (OperationalError, InterfaceError):
        connection.close()
        return act()


def _invalid(request: HttpRequest, words: str) -> Problem:
    found = _POINTER.search(words)
    pointer = re.sub(r"[.\[]|\]", lambda m: "" if m[0] == "]" else "/", found[1]) if found else ""
    detail = words[: found.start()] if found else words
    return Problem(
        request,
        "validation_error",
        errors=[{"pointer": pointer, "code": "invalid", "detail": detail}],
    )


def _caller(request: HttpRequest) -> tuple[ingest.Caller, bool]:
    """Who sends, as far as no query is needed (the storing statement checks the rest), and whether
    the sliding window limits them.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    key_text = credentials(header, "Api-Key")
    if key_text is not None:
        known = _known_key(key_text, int(time.monotonic()) // _KEY_TRUSTED_SECONDS)
        if known is None:
            raise _Refused(_unauthenticated(request, "The API key is unknown or was revoked."))
        key_id, scopes = known
        if Scope.EVENTS_WRITE not in scopes:
            raise _Refused(Problem(request, "permission_denied"))
        return ingest.Caller(key_id=key_id), Scope.EVENTS_BULK not in scopes
    token_text = credentials(header, "Bearer")
    if token_text is None:
        raise _Refused(_unauthenticated(request))
    try:
        token = AccessToken(token_text)  # type: ignore[arg-type]
        person = ingest.Caller(user_id=int(token["user_id"]), token_version=token[TOKEN_VERSION])
    except (TokenError, KeyError, ValueError):
        raise _Refused(
            _unauthenticated(request, "The access token is invalid or has expired.")
        ) from None
    return person, True


@lru_cache(maxsize=1024)
def _known_key(text: str, _minute: int) -> tuple[int, frozenset[str]] | None:
    """A key's id and scopes, looked up once a minute; whether it still lives is asked each time."""
    key = keys.find_live(text)
    return (key.pk, frozenset(key.scopes)) if key else None


def _unauthenticated(request: HttpRequest, detail: str = "") -> Problem:
    return Problem(
        request, "not_authenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="api"'}
    )


def _why_gone(request: HttpRequest) -> Problem:
    """401 for credentials that died, 403 for a person who may not send events."""
    _known_key.cache_clear()
    token_text = credentials(request.META.get("HTTP_AUTHORIZATION", ""), "Bearer")
    if token_text is None:
        return _unauthenticated(request, "The API key is unknown or was revoked.")
    token = AccessToken(token_text)  # type: ignore[arg-type]
    user = User.objects.filter(
        pk=token["user_id"], is_active=True, token_version=token[TOKEN_VERSION]
    ).first()
    if user is None:
        return _unauthenticated(request, "The access token was revoked.")
    allowed = reach_of(user, Permission.EVENTS_INGEST) is Reach.ALL
    return Problem(request, "version_conflict" if allowed else "permission_denied")
