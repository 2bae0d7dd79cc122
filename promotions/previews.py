"""What moving promotions on would do: whom it reaches, what it overlaps, what may be amiss."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import Pool, PoolMembership, User
from accounts.roles import Role
from promopulse.lib import plans
from promopulse.lib.pagination import COUNTED_TO
from promotions.models import Promotion, PromotionTarget
from promotions.states import EffectiveStatus

OVERLAPS_NAMED = 10
SHORT = timedelta(hours=1)


@dataclass(frozen=True)
class Preview:
    """One promotion of a plan. `fits`: the move would change it."""

    promotion: Promotion
    fits: bool
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MovePlan:
    """A move of some promotions, as they are now: any change of one makes another plan."""

    move: str
    previews: list[Preview]

    @property
    def moved(self) -> list[Promotion]:
        """Those it would change, by id."""
        return [preview.promotion for preview in self.previews if preview.fits]

    @property
    def count(self) -> int:
        return len(self.moved)

    @property
    def hash(self) -> str:
        return plans.digest(self.move, [[one.pk, one.version] for one in self.moved])


# What higher apps know to warn of: the move's name and the promotion in, sentences out.
Warner = Callable[[str, Promotion], Iterable[str]]
warners: list[Warner] = []


def plan_of(
    move: str, promotions: list[Promotion], fits: Callable[[Promotion], bool], at: datetime
) -> MovePlan:
    """The plan of a move; `fits` says whom it would change."""
    return MovePlan(
        move,
        [
            Preview(one, fits(one), warnings_of(move, one, at) if fits(one) else [])
            for one in promotions
        ],
    )


def warnings_of(move: str, promotion: Promotion, at: datetime) -> list[str]:
    """What somebody about to make this move may have missed."""
    found = list(_of_activation(promotion, at)) if move == "activate" else []
    for warner in warners:
        found.extend(warner(move, promotion))
    return found


def _of_activation(promotion: Promotion, at: datetime) -> Iterable[str]:
    if at >= promotion.end_at:
        yield "Its window is over already."
    elif at >= promotion.start_at:
        yield "It starts in the past: it runs at once."
    if promotion.end_at - promotion.start_at < SHORT:
        yield "Its window is shorter than an hour."
    if promotion.budget_left() is None:
        yield "It has no budget: there is no limit to what it gives away."
    elif promotion.budget_left() == 0:
        yield "Its budget is zero."
    if promotion.is_targeted and not promotion.targets.exists():
        yield "It is targeted and names nobody: nobody will see it."


@dataclass(frozen=True)
class Reached:
    """How many people a promotion is for; `more`: at least so many, since no more were counted."""

    people: int
    more: bool


def reach(promotion: Promotion, *, counted_to: int = COUNTED_TO) -> Reached:
    """Customers it is open to: all there are, or those it names and those in its pools."""
    if promotion.is_targeted:
        return _named(promotion, counted_to)
    customers = User.objects.filter(role=Role.CUSTOMER, is_active=True)
    return _counted(customers, counted_to)


def _named(promotion: Promotion, counted_to: int) -> Reached:
    """A large pool is not counted, since it knows how many it has: alone it is the answer, among
    others that may share its people the least that it can be."""
    targets = PromotionTarget.objects.filter(promotion=promotion)
    users = targets.filter(user__isnull=False).order_by().values("user_id")
    pools = Pool.objects.filter(pk__in=targets.filter(pool__isnull=False).values("pool_id"))
    largest = list(pools.order_by("-user_count").values_list("user_count", flat=True)[:2])
    is_alone = len(largest) == 1 and not users.exists()
    if is_alone or (largest and largest[0] > counted_to):
        return Reached(largest[0], more=not is_alone)
    members = PoolMembership.objects.filter(pool__in=pools.order_by()).order_by().values("user_id")
    return _counted(users.union(members), counted_to)  # each once


def _counted(people: QuerySet[Any, Any], counted_to: int) -> Reached:
    found = people.order_by()[: counted_to + 1].count()
    return Reached(min(found, counted_to), found > counted_to)


@dataclass(frozen=True)
class Overlaps:
    """Other promotions that run in the same time: some by name, and how many there are."""

    named: list[Any]
    count: int


def overlaps(promotion: Promotion) -> Overlaps:
    """Active ones whose window shares a moment with this one's, the soonest to end first."""
    others = (
        Promotion.objects.effectively(EffectiveStatus.RUNNING, Now())
        | Promotion.objects.effectively(EffectiveStatus.SCHEDULED, Now())
    ).filter(start_at__lt=promotion.end_at, end_at__gt=promotion.start_at)
    found = list(
        others.exclude(pk=promotion.pk)
        .select_related("budget")
        .order_by("end_at", "id")[: OVERLAPS_NAMED + 1]
    )
    if len(found) <= OVERLAPS_NAMED:
        return Overlaps(found, len(found))
    return Overlaps(found[:OVERLAPS_NAMED], others.exclude(pk=promotion.pk).order_by().count())
