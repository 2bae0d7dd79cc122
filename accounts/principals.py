"""The two kinds of callers: a person (`User`) and a service (an API key)."""

from dataclasses import dataclass
from typing import Any

from accounts.keys import LiveKey
from accounts.models import User
from accounts.roles import Permission, Reach, reach
from promopulse.lib.context import Actor


@dataclass(frozen=True)
class Service:
    """A caller that showed an API key; stands where Django expects a user."""

    key_id: int
    name: str
    scopes: frozenset[str]

    pk = None
    role = None
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False

    @classmethod
    def of(cls, key: LiveKey) -> "Service":
        return cls(key.pk, key.name, key.scopes)

    def get_username(self) -> str:
        return self.name

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Caller:
    """Whose rights count in a service: a person's role, or none for a service's key."""

    role: str | None
    user_id: int | None


def is_service(principal: Any) -> bool:
    """Whether the caller showed an API key."""
    return isinstance(principal, Service)


def reach_of(caller: Any, permission: Permission) -> Reach:
    """How far a permission goes for this caller (anonymous ones included)."""
    if isinstance(caller, Service):
        return reach(permission, role=None, scopes=caller.scopes)
    role = caller.role if isinstance(caller, User) and caller.is_active else None
    return reach(permission, role=role, scopes=frozenset())


def client_of(caller: Any) -> str:
    """The name an idempotency key belongs to: `user:7` or `key:3`."""
    return f"key:{caller.key_id}" if isinstance(caller, Service) else f"user:{caller.pk}"


def actor_of(caller: Any, via: str) -> Actor:
    """Who the audit trail names."""
    if isinstance(caller, Service):
        return Actor(api_key_id=caller.key_id, via=via)
    return Actor(user_id=caller.pk, via=via)


def caller_of(principal: Any) -> Caller:
    """For services whose rules depend on who asks."""
    return Caller(role=getattr(principal, "role", None), user_id=principal.pk)
