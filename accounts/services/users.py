"""Make and change users."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NotRequired, TypedDict, Unpack

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts import audit, rules
from accounts.errors import EmailTaken, UserNotFound
from accounts.models import RefreshToken, User
from accounts.principals import Caller
from promopulse.lib.errors import Invalid, PermissionDenied
from promopulse.lib.problems import constraint_of
from promopulse.lib.time import ClockTimestamp

# What happens to these ends every session of the user.
_ENDING_SESSIONS = frozenset({"password", "role", "is_active"})


class UserFields(TypedDict):
    """What can be said about a user. `password` is in clear and None for none."""

    name: NotRequired[str]
    email: NotRequired[str | None]
    phone: NotRequired[str | None]
    role: NotRequired[str]
    password: NotRequired[str | None]
    source_id: NotRequired[str | None]
    is_active: NotRequired[bool]
    may_reveal: NotRequired[bool]
    metadata: NotRequired[dict[str, Any]]


def create_user(*, by: Caller | None = None, **fields: Unpack[UserFields]) -> User:
    """Make a user. `by` is the caller whose rights count; None is the system itself.

    Raises PermissionDenied, EmailTaken, and Invalid for a source_id in use or a user who has
    neither e-mail nor source_id.
    """
    if by is not None:
        _refuse(rules.forbidden_at_creation(by.role, fields))
    values: dict[str, Any] = dict(fields)
    values["password"] = make_password(values.get("password"))  # slow: before any lock
    user = User(**_clean(values))
    with transaction.atomic(), _collisions_named():
        user.save(force_insert=True)
        audit.record("user.create", user, after={"role": user.role} | _given(fields))
    return user


def update_user(user_id: int, *, by: Caller | None = None, **fields: Unpack[UserFields]) -> User:
    """Change what is given and differs. A new password or role, or closing, ends all sessions.

    Raises UserNotFound (also for an erased user), PermissionDenied, EmailTaken and Invalid.
    """
    values: dict[str, Any] = dict(fields)
    if "password" in values:
        values["password"] = make_password(values["password"])
    values = _clean(values)
    with transaction.atomic(), _collisions_named():
        users = User.objects.select_for_update(no_key=True)
        user = users.filter(pk=user_id, erased_at=None).first()
        if user is None:
            raise UserNotFound()
        if by is not None:
            is_own = by.user_id == user.pk
            _refuse(rules.forbidden_in_a_change(by.role, user.role, is_own, fields))
        before = {name: getattr(user, name) for name in values}
        changed = {name for name, value in values.items() if value != before[name]}
        if not changed:
            return user
        for name in changed:
            setattr(user, name, values[name])
        if changed & _ENDING_SESSIONS:
            end_sessions(user)
        user.save(update_fields=changed)
        audit.record(
            "user.update",
            user,
            before={name: before[name] for name in sorted(changed)},
            after={name: values[name] for name in sorted(changed)},
        )
    return user


def end_sessions(user: User) -> None:
    """Make every access and refresh token of the user die. The caller holds the user's row."""
    User.objects.filter(pk=user.pk).update(token_version=F("token_version") + 1)
    user.token_version += 1
    RefreshToken.objects.filter(user=user, revoked_at=None).update(revoked_at=ClockTimestamp())


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    """One way to say nothing: no empty e-mail, phone or source_id beside null."""
    for name in ("email", "phone", "source_id"):
        if name in values:
            values[name] = (values[name] or "").strip() or None
    return values


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", {})}


def _refuse(forbidden: list[str]) -> None:
    if forbidden:
        raise PermissionDenied(
            f"Your role or key does not allow you to set: {', '.join(forbidden)}.",
            errors=[
                {"pointer": f"/{name}", "code": "permission_denied", "detail": "Not yours to set."}
                for name in forbidden
            ],
        )


@contextmanager
def _collisions_named() -> Iterator[None]:
    """The database decides who was first; its refusals become ours."""
    try:
        yield
    except IntegrityError as error:
        constraint = constraint_of(error)
        if "email_bidx" in constraint:
            raise EmailTaken() from None
        if "source_id" in constraint:
            raise Invalid("source_id", "Another user has this source_id.", "unique") from None
        if constraint == "accounts_user_known_or_erased":
            raise Invalid("email", "A user needs an e-mail or a source_id.", "required") from None
        raise
