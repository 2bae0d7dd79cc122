"""Ending opt-ins and taking them up again: planned, confirmed, told, undone by the other one."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.urls import reverse

from promopulse.lib import plans
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin import whole_id
from promopulse.lib.admin.plans import Nothing, PlanPage, Report
from promopulse.lib.errors import DomainError
from subscriptions import services
from subscriptions.models import Subscription

URL_NAME = "subscriptions_subscription_switch"
MOST_AT_ONCE = 100
LIST = "admin:subscriptions_subscription_changelist"


@dataclass(frozen=True)
class Switch:
    """`active` is what those are that it is for."""

    title: str
    says: str
    done: str
    do: Callable[..., Subscription]
    active: bool
    undo: str


SWITCHES = {
    "deactivate": Switch(
        "Deactivate",
        "Nothing of them is counted any more from now on. What was counted stays.",
        "Deactivated",
        services.deactivate,
        active=True,
        undo="reactivate",
    ),
    "reactivate": Switch(
        "Reactivate",
        "They count again, where the promotion takes people in now.",
        "Reactivated",
        services.reactivate,
        active=False,
        undo="deactivate",
    ),
}


def url(name: str, ids: list[int]) -> str:
    """The plan of a switch of these opt-ins."""
    query = urlencode({"ids": ",".join(map(str, ids))})
    return f"{reverse(f'admin:{URL_NAME}', args=[name])}?{query}"


@dataclass(frozen=True)
class SwitchPlan:
    """`ids` are those it is for now, `left_out` how many are so already."""

    name: str
    ids: tuple[int, ...]
    promotions: tuple[tuple[str, int], ...]
    left_out: int

    @property
    def count(self) -> int:
        return len(self.ids)

    @property
    def hash(self) -> str:
        return plans.digest(self.name, self.ids)


class SwitchPage(PlanPage):
    """The pages `.../switch/<deactivate or reactivate>/?ids=1,2`."""

    def may(self, request: HttpRequest, **named: Any) -> bool:
        if named["name"] not in SWITCHES:
            raise Http404
        return bool(self.admin.has_switch_permission(request))  # type: ignore[attr-defined]

    def plan(self, request: HttpRequest, **named: Any) -> SwitchPlan:
        asked = request.GET.get("ids", "").split(",")[:MOST_AT_ONCE]
        ids = [number for number in map(whole_id, asked) if number is not None]
        found = list(
            Subscription.objects.filter(pk__in=ids).select_related("promotion").order_by("pk")
        )
        if not found:
            raise Nothing("Choose subscriptions.")
        switch = SWITCHES[named["name"]]
        own = [one for one in found if one.is_active is switch.active]
        names = Counter(one.promotion.name for one in own)
        return SwitchPlan(
            named["name"],
            tuple(one.pk for one in own),
            tuple(sorted(names.items())),
            len(found) - len(own),
        )

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        """Each for itself; what is refused is told by its reason."""
        plans.must_be(plan, expected)
        switch, done, refused = SWITCHES[plan.name], list[int](), Counter[str]()
        for pk in plan.ids:
            try:
                switch.do(pk, reason=given["reason"])
                done.append(pk)
            except DomainError as refusal:
                refused[refusal.detail] += 1
        words = [f"{switch.done}: {len(done)}."]
        words += [f"{count} refused: {why}" for why, count in sorted(refused.items())]
        level = messages.WARNING if refused else messages.SUCCESS
        undo = url(switch.undo, done) if done else ""
        return Report(" ".join(words), self.back(), level, undo)

    def back(self, **named: Any) -> str:
        return reverse(LIST)

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        switch = SWITCHES[plan.name]
        rows = [(name, looks.plural(count, "opt-in")) for name, count in plan.promotions]
        if plan.left_out:
            words = "inactive" if switch.active else "active"
            rows.append(("Left out", f"{plan.left_out:,}: {words} already"))
        return {
            "title": f"{switch.title} subscriptions",
            "says": switch.says,
            "button": f"{switch.title} {plan.count:,}",
            "facts": looks.facts(rows),
        }
