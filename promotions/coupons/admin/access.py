"""Who may do what with coupons in the admin: as the API has it."""

from django.http import HttpRequest

from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promotions.coupons import codes


def may(request: HttpRequest, permission: Permission) -> bool:
    return reach_of(request.user, permission) is Reach.ALL


def may_write(request: HttpRequest) -> bool:
    """Whether somebody writes books, fills them and hands their codes out."""
    return may(request, Permission.PROMOTIONS_WRITE)


def sees_codes(request: HttpRequest) -> bool:
    """Whether somebody may see codes in full: who may redeem them for anybody."""
    return may(request, Permission.HANDLE_COUPON)


def shown_code(request: HttpRequest, code: str) -> str:
    """A code as this person may see it."""
    return code if sees_codes(request) else codes.masked(code)
