"""API keys: made once, shown once, revoked at once.

A key's secret has 256 random bits, so a plain SHA-256 of it cannot be turned back; a slow
password hash would only make every request slow.
"""

import hashlib
import hmac
import re
import secrets
import string
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import ApiKey
from promopulse.lib import context
from promopulse.lib.errors import NotFound
from promopulse.lib.time import ClockTimestamp

_LETTERS = string.ascii_letters + string.digits
KEY = re.compile(r"pp_([A-Za-z0-9]{12})_([A-Za-z0-9]{43})")
LAST_USED_GRAIN = timedelta(minutes=1)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def secret_hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


@transaction.atomic
def create_key(*, name: str, scopes: list[str], text: str = "") -> tuple[ApiKey, str]:
    """Make a key; the second value is its text, which is not kept. `text` brings one's own."""
    text = text or f"pp_{_random(12)}_{_random(43)}"
    match = KEY.fullmatch(text)
    if match is None:
        raise ValueError("an API key looks like pp_<12 letters or digits>_<43 letters or digits>")
    prefix, secret = match.groups()
    key = ApiKey.objects.create(
        name=name,
        prefix=prefix,
        secret_hash=secret_hash(secret),
        scopes=sorted(set(scopes)),
        created_by_id=context.actor.get().user_id,
    )
    audit.record("api_key.create", key, after={"name": name, "scopes": key.scopes})
    return key, text


@transaction.atomic
def revoke_key(key_id: int) -> ApiKey:
    """Revoke a key; the next request that shows it is refused. Raises NotFound."""
    key = ApiKey.objects.select_for_update().filter(pk=key_id, revoked_at=None).first()
    if key is None:
        raise NotFound()
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=ClockTimestamp())
    audit.record("api_key.revoke", key)
    return key


def find_live(text: str) -> ApiKey | None:
    """The key that `text` is, unless it is unknown or revoked. Notes the use, to the minute."""
    match = KEY.fullmatch(text)
    if match is None:
        return None
    prefix, secret = match.groups()
    key = ApiKey.objects.filter(prefix=prefix, revoked_at=None).first()
    if key is None or not hmac.compare_digest(bytes(key.secret_hash), secret_hash(secret)):
        return None
    if key.last_used_at is None or datetime.now(UTC) - key.last_used_at > LAST_USED_GRAIN:
        _note_use(key)
    return key


def _note_use(key: ApiKey) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lt=ClockTimestamp() - LAST_USED_GRAIN)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=ClockTimestamp())
