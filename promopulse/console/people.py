"""Erasing a person, from what every app knows of them: counted first, then confirmed, then done."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import path, reverse

from accounts.admin.extensions import moves
from accounts.admin.users import UserAdmin
from accounts.models import User
from accounts.roles import Permission, Reach, reach
from promopulse import erasure
from promopulse.lib import plans
from promopulse.lib.admin.plans import MustSayWhy, PlanPage, Report
from promopulse.lib.admin.shown import facts, sign
from promopulse.lib.errors import PermissionDenied


@dataclass(frozen=True)
class ErasePlan:
    user: User
    known: dict[str, int]

    @property
    def count(self) -> int:
        """A person erased before may have left something; else there is nothing to do."""
        return int(self.user.erased_at is None or any(self.known.values()))

    @property
    def hash(self) -> str:
        return plans.digest("erase", self.user.pk, self.known)


class ErasePage(PlanPage):
    """The page `.../user/<id>/erase/`, for admins."""

    template = "admin/accounts/user/erase.html"

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_erase(request)

    def form(self, request: HttpRequest, **named: Any) -> type[MustSayWhy]:
        return MustSayWhy

    def plan(self, request: HttpRequest, **named: Any) -> ErasePlan:
        user = get_object_or_404(User, pk=named["pk"])
        return ErasePlan(user, erasure.count(user.pk))

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        plans.must_be(plan, expected)
        if plan.user.pk == request.user.pk:
            raise PermissionDenied("You cannot erase yourself.")
        erasure.erase(plan.user.pk, reason=given["reason"])
        return Report(f"User {plan.user.pk} is erased.", self.back(**named))

    def back(self, **named: Any) -> str:
        return reverse("admin:accounts_user_change", args=[named["pk"]])

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        return {
            "title": f"Erase {plan.user.name or plan.user}",
            "says": "What is known about this person goes from every table. Their id stays, so "
            "that ledgers and counts stand; they can never log in again.",
            "facts": facts(
                [
                    (erasure.WORDS[name].capitalize(), f"{number:,}")
                    for name, number in plan.known.items()
                    if number
                ]
            ),
            "button": "Erase for ever",
            "final": "Nothing of it can be brought back, except from a backup.",
            "lock_sign": sign("lock"),
        }


def may_erase(request: HttpRequest) -> bool:
    role = getattr(request.user, "role", None)
    return reach(Permission.ADMINISTER, role=role, scopes=frozenset()) is Reach.ALL


def urls(user_admin: UserAdmin) -> list[Any]:
    view = user_admin.admin_site.admin_view(ErasePage(user_admin))
    return [path("accounts/user/<int:pk>/erase/", view, name="accounts_user_erase")]


def _offer(request: HttpRequest, user: User) -> list[tuple[str, str]]:
    if not may_erase(request) or user.pk == request.user.pk:
        return []
    return [("Erase", reverse("admin:accounts_user_erase", args=[user.pk]))]


moves.append(_offer)
