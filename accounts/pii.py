"""Personal data: how an e-mail is compared, indexed and shown."""

import hmac
import re
import unicodedata
from functools import cache

from django.conf import settings

MAX_EMAIL = 254
MAX_PHONE = 32
PHONE = re.compile(r"^\+?[0-9][0-9 ()./-]*$")  # digits and what people write between them


def normalise_email(email: str) -> str:
    """The form in which two spellings of one address are equal (any letter case)."""
    return unicodedata.normalize("NFKC", email.strip()).casefold()


@cache
def _key() -> bytes:
    return str(settings.BLIND_INDEX_KEY).encode()


def email_index(email: str) -> bytes:
    """Blind index of an address: a keyed hash that serves look-up and uniqueness, never reading."""
    return hmac.digest(_key(), b"accounts.email\0" + normalise_email(email).encode(), "sha256")


def mask_email(email: str | None) -> str | None:
    """`alice@example.com` -> `a***e@e***.com`."""
    if not email:
        return email
    local, _, domain = email.partition("@")
    name, dot, suffix = domain.rpartition(".")
    last = local[-1] if len(local) > 2 else ""
    return f"{local[:1]}***{last}@{name[:1]}***{dot}{suffix}"


def mask_phone(phone: str | None) -> str | None:
    """`+4915112345678` -> `***78`."""
    return f"***{phone[-2:]}" if phone else phone


_RUN = r"[^\s@<>\"',;:()\[\]{}=]"
_EMAIL = re.compile(rf"(?<!{_RUN}){_RUN}+@{_RUN}+")
# Seven digits or more with what people write between them; a date is none.
_PHONE = re.compile(r"(?<![0-9A-Za-z])(?!\d{4}-\d\d-\d\d(?!\d))\+?\(?\d(?:[ ()./-]*\d){6,}")


def mask_text(text: str) -> str:
    """Somebody's free text with what looks like an e-mail or a phone number masked."""
    text = unicodedata.normalize("NFKC", text)
    text = _EMAIL.sub(lambda found: mask_email(found[0]) or "", text)
    return _PHONE.sub(lambda found: mask_phone(found[0]) or "", text)
