"""Who may open a page, and what becomes of those who may not and of refusals nobody caught."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.principals import actor_of, reach_of
from accounts.roles import Permission, Reach
from promopulse.lib import context
from promopulse.lib.errors import REASONS, DomainError
from promopulse.lib.problems import RETRY_AFTER_OUTAGE

View = Callable[..., HttpResponse]


def page(
    permission: Permission, *, methods: str = "GET", everybodys: bool = False
) -> Callable[[View], View]:
    """A view for people who are logged in and have this permission; others log in, or get 403.

    `everybodys`: having it for one's own things is not enough. What the view writes is written by
    the person; a DomainError that it raises becomes a page with its words.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        @require_http_methods(["HEAD", *methods.split()])
        @never_cache
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                if not request.user.is_authenticated:
                    return _log_in_first(request)
                reach = reach_of(request.user, permission)
                if reach is Reach.NONE or (everybodys and reach is not Reach.ALL):
                    raise PermissionDenied
                context.actor.set(actor_of(request.user, "page"))
                return view(request, *args, **kwargs)
            except DomainError as refusal:
                return refused(request, refusal)
            except (OperationalError, InterfaceError):
                return _away(request)

        return inner

    return decorate


def person(request: HttpRequest) -> User:
    """Who opened a page."""
    assert isinstance(request.user, User)
    return request.user


def refused(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    """A page with the refusal's own words."""
    words = {"reason": refusal.reason, "detail": refusal.detail}
    response = render(request, "error.html", words, status=refusal.status)
    if retry_after := refusal.params.get("retry_after"):
        response.headers["Retry-After"] = str(retry_after)
    return response


def _log_in_first(request: HttpRequest) -> HttpResponse:
    """The log-in page, from which a page that was asked for is gone on to; a form is lost."""
    back = request.get_full_path() if request.method in ("GET", "HEAD") else reverse("my")
    return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': back})}")


def _away(request: HttpRequest) -> HttpResponse:
    response = render(request, "error.html", {"reason": REASONS["unavailable"]}, status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER_OUTAGE)
    return response
