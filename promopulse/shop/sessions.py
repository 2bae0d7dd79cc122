"""Log in, log out, and the page that people begin at."""

from typing import Any

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.forms import PageLoginForm
from accounts.principals import actor_of, reach_of
from accounts.roles import Permission, Reach
from accounts.services import sessions
from promopulse.lib import context
from promopulse.shop import tokens
from promopulse.shop.access import page, person
from promotions.coupons import wallet


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """The same limit, the same answer and the same time as the API's auth/login."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(_next(request))
    form = PageLoginForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        user = form.get_user()
        auth.login(request, user)
        context.actor.set(actor_of(user, "page"))
        sessions.note_log_in(user)
        return HttpResponseRedirect(_next(request))
    shown = {
        "form": form,
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "demo": settings.DEMO,
    }
    response = render(request, "shop/login.html", shown, status=401 if form.is_bound else 200)
    if form.has_error("__all__", "rate_limited"):
        response.status_code = 429
        (limited,) = form.errors.as_data()["__all__"]
        response.headers["Retry-After"] = str((limited.params or {})["retry_after"])
    return response


def _next(request: HttpRequest) -> str:
    """Where to go on: only within this site."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else reverse("my")


@page(Permission.SELF, methods="POST")
def log_out(request: HttpRequest) -> HttpResponse:
    sessions.note_log_out(person(request))
    auth.logout(request)
    response = HttpResponseRedirect(reverse("login"))
    tokens.forget_all(request, response)
    return response


@page(Permission.SELF)
def start(request: HttpRequest) -> HttpResponse:
    """What there is for this person."""
    shown: dict[str, Any] = {
        "counts": wallet.counts(person(request).pk),
        "is_desk": reach_of(request.user, Permission.INTERNALS_READ) is Reach.ALL,
        "has_offers": reach_of(request.user, Permission.QUOTE) is not Reach.NONE,
    }
    return render(request, "shop/start.html", shown)
