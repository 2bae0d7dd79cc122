"""auth/*: register, log in, rotate, log out, one's own account."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiViewSet
from accounts.api.serializers import (
    ChangePasswordIn,
    LoginIn,
    RefreshIn,
    RegisterIn,
    SessionOut,
    TokensOut,
    UserOut,
)
from accounts.api.throttles import PerLogin, per_address, per_caller
from accounts.roles import Permission
from accounts.services import sessions
from accounts.services.sessions import Session

_TOKENS = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9...",
    "refresh_token": "ppr_Zm9yIGV4YW1wbGU...",
    "token_type": "bearer",
    "expires_in": 1800,
}
_USER = {
    "id": 7,
    "name": "Alice Adams",
    "full_name": "Alice Adams",
    "email": "alice@example.com",
    "phone": None,
    "role": "customer",
    "source_id": None,
    "is_active": True,
    "created_at": "2026-06-01T08:00:00Z",
    "erased_at": None,
}
_SESSION = OpenApiExample("A session", {**_TOKENS, "user": _USER}, response_only=True)


def _tokens(session: Session) -> dict[str, Any]:
    return {
        "access_token": session.access_token,
        "refresh_token": session.refresh_token,
        "token_type": "bearer",
        "expires_in": int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
    }


def _session(session: Session, status: int = 200) -> Response:
    shaped = SessionOut(
        {**_tokens(session), "user": session.user}, context={"reader": session.user}
    )
    return Response(shaped.data, status=status)


class RegisterViewSet(ApiViewSet):
    """For people who are not known yet."""

    authentication_classes = ()
    throttle_classes = (per_address("register"),)
    idempotent = False
    access = Permission.OPEN
    bodies = {"register": RegisterIn}
    refusals = {"register": ("email_taken",)}

    @extend_schema(
        summary="Become a customer",
        responses={201: SessionOut},
        examples=[
            OpenApiExample(
                "A new customer",
                {"name": "Alice Adams", "email": "alice@example.com", "password": "demo-1234"},
                request_only=True,
            ),
            _SESSION,
        ],
    )
    def register(self, request: Request) -> Response:
        return _session(sessions.register(**self.body()), status=201)


class SessionViewSet(ApiViewSet):
    """For people whose access token is about to end, or did."""

    authentication_classes = ()  # an expired token beside the body must not get in the way
    idempotent = False
    access = Permission.OPEN
    bodies = {"refresh": RefreshIn, "logout": RefreshIn}
    refusals = {"refresh": ("not_authenticated",)}

    @extend_schema(
        summary="Rotate a refresh token",
        description="A refresh token works once. Shown again, it ends the session it belongs to.",
        responses=TokensOut,
        examples=[OpenApiExample("The next pair", _TOKENS, response_only=True)],
    )
    def refresh(self, request: Request) -> Response:
        return Response(_tokens(sessions.refresh(self.body()["refresh_token"])))

    @extend_schema(
        summary="End a session",
        description="Its refresh tokens die; the access token lives out its minutes.",
        responses={204: None},
    )
    def logout(self, request: Request) -> Response:
        sessions.log_out(self.body()["refresh_token"])
        return Response(status=204)


class LoginViewSet(ApiViewSet):
    """Log in: the same answer, as late, for an unknown e-mail and for a wrong password."""

    authentication_classes = ()
    throttle_classes = (per_address("login_address"), PerLogin)
    idempotent = False
    access = Permission.OPEN
    bodies = {"login": LoginIn}
    refusals = {"login": ("invalid_credentials",)}

    @extend_schema(
        summary="Log in",
        responses=SessionOut,
        examples=[
            OpenApiExample(
                "The demo's Alice",
                {"email": "alice@example.com", "password": "demo123"},
                request_only=True,
            ),
            _SESSION,
        ],
    )
    def login(self, request: Request) -> Response:
        return _session(sessions.log_in(**self.body()))


class AccountViewSet(ApiViewSet):
    """One's own account."""

    access = Permission.SELF

    @extend_schema(
        summary="Who am I",
        responses=UserOut,
        examples=[OpenApiExample("Me", _USER, response_only=True)],
    )
    def me(self, request: Request) -> Response:
        return self.answer(UserOut, request.user)


class PasswordViewSet(ApiViewSet):
    """One's own password. Guessing the present one is limited like logging in."""

    throttle_classes = (per_caller("login"),)
    idempotent = False
    access = Permission.SELF
    bodies = {"change_password": ChangePasswordIn}
    refusals = {"change_password": ("invalid_credentials",)}

    @extend_schema(
        summary="Change one's password",
        description="All tokens given out before die; the answer holds new ones.",
        responses=SessionOut,
        examples=[_SESSION],
    )
    def change_password(self, request: Request) -> Response:
        body = self.body()
        assert request.user.pk is not None  # SELF lets people only pass
        session = sessions.change_password(
            user_id=request.user.pk, current=body["current_password"], new=body["new_password"]
        )
        return _session(session)
