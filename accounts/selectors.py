"""Reads of people, pools and the audit trail, in the order lists show them."""

from django.db.models import QuerySet

from accounts.errors import UserNotFound
from accounts.models import ApiKey, AuditEntry, Pool, User
from promopulse.lib.errors import NotFound


def people(
    *, role: str | None = None, is_active: bool | None = None, source_id: str | None = None
) -> QuerySet[User]:
    """Everybody but the erased, newest first."""
    users = User.objects.filter(erased_at=None).order_by("-id")
    if role:
        users = users.filter(role=role)
    if is_active is not None:
        users = users.filter(is_active=is_active)
    if source_id:
        users = users.filter(source_id=source_id)
    return users


def user_by_id(user_id: int, role: str | None = None) -> User:
    """One user, erased ones included. Raises UserNotFound."""
    users = User.objects.filter(pk=user_id)
    user = (users.filter(role=role) if role else users).first()
    if user is None:
        raise UserNotFound()
    return user


def user_by_email(email: str) -> User:
    """The user with this whole address, in any letter case. Raises UserNotFound."""
    user = User.objects.by_email(email)
    if user is None:
        raise UserNotFound()
    return user


def pools() -> QuerySet[Pool]:
    return Pool.objects.order_by("-id")


def pool_by_id(pool_id: int) -> Pool:
    """Raises NotFound."""
    pool = pools().filter(pk=pool_id).first()
    if pool is None:
        raise NotFound()
    return pool


def members(pool: Pool) -> QuerySet[User]:
    """The users of a pool, by id: the order of the membership's index."""
    return User.objects.filter(pools=pool).order_by("id")


def api_keys() -> QuerySet[ApiKey]:
    return ApiKey.objects.order_by("-id")


def audit_entries(*, actor: str = "", **exact: str | int) -> QuerySet[AuditEntry]:
    """Entries with these values; `actor` is `user:<id>` or `key:<id>`. Lists page by keyset."""
    kind, _, number = actor.partition(":")
    if kind:
        exact[{"user": "actor_user_id", "key": "actor_api_key_id"}[kind]] = int(number)
    return AuditEntry.objects.filter(**exact)
