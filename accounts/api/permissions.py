"""The one permission class: looks up the view's `Permission` in the table of roles."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.principals import reach_of
from accounts.roles import Permission, Reach


def permission_for(view: Any, request_method: str) -> Permission:
    """What the view's action or method needs. A view without a row is a fault, never open."""
    name = getattr(view, "action", None) or request_method.lower()
    table = view.access
    if isinstance(table, Permission):
        return table
    if name == "head":
        name = "get"
    if name not in table:
        raise ImproperlyConfigured(f"{type(view).__name__} has no access row for {name!r}")
    found: Permission = table[name]
    return found


class ByTable(BasePermission):
    """Sets `request.reach`, which querysets and services of a view keep to."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method == "OPTIONS":
            request.reach = Reach.NONE  # type: ignore[attr-defined]
            return bool(request.user and request.user.is_authenticated) or (
                view.access is Permission.OPEN
            )
        if request.method not in view.allowed_methods:
            view.http_method_not_allowed(request)
        permission = permission_for(view, request.method or "GET")
        request.reach = reach_of(request.user, permission)  # type: ignore[attr-defined]
        return request.reach is not Reach.NONE  # type: ignore[attr-defined]
