"""The tokens of the locks that a browser holds, kept by the browser itself.

A cookie for each lock, which ends with it: two windows that lock two coupons at once do not write
over each other, as they would in a session. The database knows a token's hash only.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

_PREFIX = "lock_"


def keep(response: HttpResponse, coupon_id: int, token: str, seconds: int) -> None:
    response.set_cookie(
        f"{_PREFIX}{coupon_id}",
        token,
        max_age=seconds,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def of(request: HttpRequest, coupon_id: int) -> str | None:
    """The token of a coupon's lock, if this browser has taken it."""
    return request.COOKIES.get(f"{_PREFIX}{coupon_id}")


def forget(response: HttpResponse, coupon_id: int) -> None:
    response.delete_cookie(f"{_PREFIX}{coupon_id}", samesite="Lax")


def forget_all(request: HttpRequest, response: HttpResponse) -> None:
    """At the end of a session."""
    for name in request.COOKIES:
        if name.startswith(_PREFIX):
            response.delete_cookie(name, samesite="Lax")
