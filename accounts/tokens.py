"""The two texts a session is made of: a signed access token and an opaque refresh token."""

import hashlib
import secrets

from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User

TOKEN_VERSION = "tv"


def access_token(user: User) -> str:
    """A signed access token; it dies with its time or when the user's token version rises."""
    token = AccessToken.for_user(user)
    token[TOKEN_VERSION] = user.token_version
    return str(token)


def new_refresh_token() -> str:
    """256 random bits; only their hash is kept."""
    return f"ppr_{secrets.token_urlsafe(32)}"


def refresh_token_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
