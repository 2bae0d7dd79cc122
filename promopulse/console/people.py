"""What every app knows of a person: exported for a reason; erased when counted and confirmed."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied as Forbidden
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.admin.extensions import moves
from accounts.admin.users import UserAdmin
from accounts.models import User
from accounts.principals import reach_of
from accounts.roles import REVEAL, Permission, Reach, reach
from promopulse import dossier, erasure
from promopulse.lib import plans
from promopulse.lib.admin.plans import MustSayWhy, PlanPage, Report
from promopulse.lib.admin.shown import facts, sign
from promopulse.lib.errors import PermissionDenied
from promotions.coupons.admin.access import sees_codes

ERASE, EXPORT = "accounts_user_erase", "accounts_user_export_person"


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


@dataclass(frozen=True)
class ExportPage:
    """The page `.../user/<id>/export/`: GET asks why, POST gives the file."""

    admin: UserAdmin

    def __call__(self, request: HttpRequest, pk: int) -> HttpResponse | StreamingHttpResponse:
        if not may_export(request):
            raise Forbidden
        user = get_object_or_404(User, pk=pk)
        clear, may = request.user.has_perm(REVEAL), request.user.has_perm
        form = MustSayWhy(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            return StreamingHttpResponse(
                dossier.export(
                    pk, clear=clear, sees_codes=sees_codes(request), reason=reason, may=may
                ),
                content_type="application/json",
                headers={"Content-Disposition": f'attachment; filename="person-{pk}.json"'},
            )
        left_out = [part.name for part in dossier.PARTS if not may(part.needs)]
        inside = [part.name for part in dossier.PARTS if part.name not in left_out]
        context: dict[str, Any] = self.admin.admin_site.each_context(request) | {
            "opts": self.admin.opts,
            "object": user,
            "title": f"Export what is held of {user.name or user}",
            "form": form,
            "media": self.admin.media + form.media,
            "back": reverse("admin:accounts_user_change", args=[pk]),
            "clear": clear,
            "warn_sign": sign("warn"),
            "facts": facts(
                [("In it", _listed(["the person", *inside]))]
                + ([("Not yours to see", _listed(left_out))] if left_out else [])
            ),
        }
        return TemplateResponse(request, "admin/accounts/user/export.html", context)


def _listed(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def may_export(request: HttpRequest) -> bool:
    """Who looks after people; what else they may see decides what is in the file."""
    return reach_of(request.user, Permission.PEOPLE) is Reach.ALL


def may_erase(request: HttpRequest) -> bool:
    role = getattr(request.user, "role", None)
    return reach(Permission.ADMINISTER, role=role, scopes=frozenset()) is Reach.ALL


def urls(user_admin: UserAdmin) -> list[Any]:
    view = user_admin.admin_site.admin_view
    return [
        path("accounts/user/<int:pk>/erase/", view(ErasePage(user_admin)), name=ERASE),
        path("accounts/user/<int:pk>/export/", view(ExportPage(user_admin)), name=EXPORT),
    ]


def _offer(request: HttpRequest, user: User) -> list[tuple[str, str]]:
    found = []
    if may_export(request):
        found.append(("Export", reverse(f"admin:{EXPORT}", args=[user.pk])))
    if may_erase(request) and user.pk != request.user.pk:
        found.append(("Erase", reverse(f"admin:{ERASE}", args=[user.pk])))
    return found


moves.append(_offer)
