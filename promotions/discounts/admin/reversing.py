"""Giving back what a redemption took: the page that a discount's and a coupon's use share."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.lib import plans
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.plans import MustSayWhy, PlanPage, Report


def may_reverse(request: HttpRequest) -> bool:
    """As in the API."""
    return reach_of(request.user, Permission.REVERSE) is Reach.ALL


@dataclass(frozen=True)
class ReversePlan:
    """Giving back what is left of a redemption. `given_back` is what has been so far."""

    kind: str
    redemption: Any
    given_back: Any
    is_left: bool

    @property
    def count(self) -> int:
        return int(self.is_left)

    @property
    def hash(self) -> str:
        return plans.digest(self.kind, self.redemption.pk, self.given_back)


class ReversePage(PlanPage):
    """Subclasses find the redemption, give it back and word it."""

    kind: str
    final: str

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may_reverse(request)

    def form(self, request: HttpRequest, **named: Any) -> type[forms.Form]:
        return MustSayWhy

    def reverse(self, redemption: Any, given: dict[str, Any]) -> str:
        """Do it; the words that report it. Raises DomainError."""
        raise NotImplementedError

    def words(self, request: HttpRequest, redemption: Any) -> tuple[str, str]:
        """The page's title, and what will happen."""
        raise NotImplementedError

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        plans.must_be(plan, expected)
        return Report(self.reverse(plan.redemption, given), self.back(**named))

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        title, says = self.words(request, plan.redemption)
        return {
            "title": title,
            "says": says,
            "button": "Reverse",
            "final": self.final,
            "lock_sign": looks.sign("lock"),
        }
