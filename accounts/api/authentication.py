"""How a request says who it is: JWT for people, API key for services, session for the browser."""

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts import keys
from accounts.models import User
from accounts.principals import Service, actor_of
from accounts.tokens import TOKEN_VERSION
from promopulse.lib import context


def credentials(header: str, scheme: str) -> str | None:
    """What follows `scheme` in an Authorization header, or None for another scheme."""
    given, _, rest = header.partition(" ")
    return rest.strip() if given.lower() == scheme.lower() else None


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, None] | None:
        text = credentials(request.headers.get("Authorization", ""), "Bearer")
        if text is None:
            return None
        try:
            token = AccessToken(text)  # type: ignore[arg-type]
            user_id, version = int(token["user_id"]), token[TOKEN_VERSION]
        except (TokenError, KeyError, ValueError):
            raise AuthenticationFailed("The access token is invalid or has expired.") from None
        user = User.objects.filter(pk=user_id, is_active=True, token_version=version).first()
        if user is None:
            raise AuthenticationFailed("The access token was revoked.")
        context.actor.set(actor_of(user, "api"))
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Service, None] | None:
        text = credentials(request.headers.get("Authorization", ""), "Api-Key")
        if text is None:
            return None
        key = keys.find_live(text)
        if key is None:
            raise AuthenticationFailed("The API key is unknown or was revoked.")
        service = Service.of(key)
        context.actor.set(actor_of(service, "api"))
        return service, None

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"


class BrowserAuthentication(SessionAuthentication):
    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found:
            context.actor.set(actor_of(found[0], "api"))
        return found
