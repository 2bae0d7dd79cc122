"""Which fields of a user somebody may set. Pure: who, whose, which in; the forbidden ones out.

Roles, passwords, other people's e-mail and whether an account is open are the admin's alone;
everybody keeps their own name, e-mail and phone; staff and services keep those of customers,
e-mail apart.
"""

from collections.abc import Mapping
from typing import Any

from accounts.roles import Role

_OWN = frozenset({"name", "email", "phone"})
_OF_A_CUSTOMER = frozenset({"name", "phone", "source_id"})
_ADMINS_ALONE_AT_CREATION = frozenset({"password", "is_active", "may_reveal"})


def forbidden_at_creation(caller_role: str | None, fields: Mapping[str, Any]) -> list[str]:
    """Fields of a new user that the caller may not give. A service has no role."""
    if caller_role == Role.ADMIN:
        return []
    forbidden = _ADMINS_ALONE_AT_CREATION & fields.keys()
    if fields.get("role", Role.CUSTOMER) != Role.CUSTOMER:
        forbidden |= {"role"}
    return sorted(forbidden)


def forbidden_in_a_change(
    caller_role: str | None, target_role: str, is_own: bool, fields: Mapping[str, Any]
) -> list[str]:
    """Fields of a user that the caller may not change. A role sent as it is, is no change."""
    if caller_role == Role.ADMIN:
        return []
    allowed: frozenset[str] = frozenset()
    if is_own:
        allowed = _OWN
    elif target_role == Role.CUSTOMER:
        allowed = _OF_A_CUSTOMER
    forbidden = set(fields) - allowed
    if fields.get("role") == target_role:
        forbidden.discard("role")
    return sorted(forbidden)
