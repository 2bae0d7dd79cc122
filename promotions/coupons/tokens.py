"""Lock tokens: shown once, kept as a hash. 256 random bits, so a plain hash keeps them."""

import hashlib
import secrets


def new() -> str:
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
