"""Sessions of people: log in, rotate, log out, change the password.

Which row is the truth: `RefreshToken`, one for each token ever given out.
Which statement decides: `SELECT ... FOR UPDATE SKIP LOCKED` on the token. Who locks it rotates it;
who comes at the same moment is refused; who comes later shows a used token, and that ends the
family. Lock order: token, then the user's key (shared, by the new token's foreign key); a change of
password holds the user without its key, so that the two never wait for each other in a circle.
A crash before the commit leaves the old token usable; after it, the answer may be lost with its
new token, and the person logs in again.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import audit
from accounts.backends import EmailBackend
from accounts.errors import InvalidCredentials, InvalidRefreshToken
from accounts.models import RefreshToken, User
from accounts.principals import actor_of
from accounts.services.users import create_user, end_sessions
from accounts.tokens import access_token, new_refresh_token, refresh_token_hash
from promopulse.lib import context
from promopulse.lib.time import ClockTimestamp, db_now


@dataclass(frozen=True)
class Session:
    """What a person carries away. `refresh_token` is shown this once."""

    user: User
    access_token: str
    refresh_token: str


def register(*, name: str, email: str, password: str) -> Session:
    """Make a customer and log them in. Raises EmailTaken."""
    return _open(create_user(name=name, email=email, password=password))


def log_in(*, email: str, password: str) -> Session:
    """Raises InvalidCredentials, alike for an unknown e-mail and a wrong password."""
    user = EmailBackend().authenticate(None, email, password)
    if user is None:
        raise InvalidCredentials()
    context.actor.set(actor_of(user, "api"))
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(last_login=ClockTimestamp())
        RefreshToken.objects.filter(user=user, expires_at__lt=ClockTimestamp()).delete()
        audit.record("user.log_in", user)
        return _open(user)


def note_log_in(user: User) -> None:
    """Somebody logged in in a browser, whose session is Django's."""
    audit.record("user.log_in", user)


def note_log_out(user: User) -> None:
    """The end of a browser's session."""
    audit.record("user.log_out", user)


def refresh(text: str) -> Session:
    """Give a new pair for a refresh token, which is used up. Raises InvalidRefreshToken.

    A token shown again after its use was copied: then its whole family ends.
    """
    with transaction.atomic():
        token = (
            RefreshToken.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("user")
            .filter(token_hash=refresh_token_hash(text))
            .first()
        )
        if token is None:
            raise InvalidRefreshToken()
        now = db_now()
        if _is_live(token, now) and token.used_at is None:
            RefreshToken.objects.filter(pk=token.pk).update(used_at=now)
            return _open(token.user, family=token.family, now=now)
        if token.used_at is not None and token.revoked_at is None:
            _end_family(token)
            audit.record("user.refresh_token_reused", token.user)
    raise InvalidRefreshToken()  # outside, so that the end of the family is kept


@transaction.atomic
def log_out(text: str) -> None:
    """End the session of a refresh token; one that is unknown or dead is logged out already."""
    token = (
        RefreshToken.objects.select_related("user")
        .filter(token_hash=refresh_token_hash(text), revoked_at=None)
        .first()
    )
    if token is not None:
        context.actor.set(actor_of(token.user, "api"))
        _end_family(token)
        audit.record("user.log_out", token.user)


def change_password(*, user_id: int, current: str, new: str) -> Session:
    """Set a new password: every other session ends, the answer opens this one anew.

    Raises InvalidCredentials when `current` is wrong.
    """
    hashed = make_password(new)  # slow: before the lock
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        if not user.check_password(current):
            raise InvalidCredentials("The current password is wrong.")
        user.password = hashed
        user.save(update_fields=["password"])
        end_sessions(user)
        audit.record("user.update", user, before={"password": None}, after={"password": None})
        return _open(user)


def _open(user: User, *, family: uuid.UUID | None = None, now: datetime | None = None) -> Session:
    text = new_refresh_token()
    RefreshToken.objects.create(
        user=user,
        family=family or uuid.uuid4(),
        token_hash=refresh_token_hash(text),
        token_version=user.token_version,
        expires_at=(now or db_now()) + settings.REFRESH_TOKEN_LIFETIME,
    )
    return Session(user, access_token(user), text)


def _is_live(token: RefreshToken, now: datetime) -> bool:
    return (
        token.revoked_at is None
        and token.expires_at > now
        and token.user.is_active
        and token.token_version == token.user.token_version
    )


def _end_family(token: RefreshToken) -> None:
    RefreshToken.objects.filter(family=token.family, revoked_at=None).update(
        revoked_at=ClockTimestamp()
    )
