"""API keys: made once, shown once, revoked at once.

A key's secret has 256 random bits, so a plain SHA-256 of it cannot be turned back; a slow
password hash would only make every request slow.
"""

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import ApiKey
from promopulse.lib import context
from promopulse.lib.direct import Statement
from promopulse.lib.errors import NotFound
from promopulse.lib.time import ClockTimestamp

_LETTERS = string.ascii_letters + string.digits
KEY = re.compile(r"pp_([A-Za-z0-9]{12})_([A-Za-z0-9]{43})")
LAST_USED_GRAIN = timedelta(minutes=1)
_GRAIN = f"{LAST_USED_GRAIN.total_seconds()} seconds"


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


@dataclass(frozen=True)
class LiveKey:
    """A key that was shown and is good: what its requests are judged by."""

    pk: int
    name: str
    scopes: frozenset[str]


_LIVE = Statement(
    "live_key",
    f"""
    SELECT id::text, name::text, array_to_string(scopes, ' '), encode(secret_hash, 'hex'),
        (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '{_GRAIN}')::text
    FROM accounts_apikey WHERE prefix = %(prefix)s AND revoked_at IS NULL
    """,
)


def find_live(text: str) -> LiveKey | None:
    """The key that `text` is, unless it is unknown or revoked. Notes the use, to the minute."""
    match = KEY.fullmatch(text)
    if match is None:
        return None
    prefix, secret = match.groups()
    row = _LIVE.fetch({"prefix": prefix})
    if row is None:
        return None
    key_id, name, scopes, known_hash, unnoted = row
    if not hmac.compare_digest(known_hash or "", secret_hash(secret).hex()):
        return None
    key = LiveKey(int(key_id or 0), name or "", frozenset((scopes or "").split()))
    if unnoted == "true":
        _note_use(key.pk)
    return key


def _note_use(key_id: int) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lt=ClockTimestamp() - LAST_USED_GRAIN)
    ApiKey.objects.filter(stale, pk=key_id).update(last_used_at=ClockTimestamp())
