"""Who of a pool is given how many coupons. Pure: people, numbers and a seed in, shares out.

Equal: everybody is given the same. `count` is divided by those who are below their limit, rounded
down; who has room for less than that share is skipped, and what cannot be shared stays in the book.
Random: each coupon goes to somebody who still has room, each of them as likely.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

AT_LIMIT = "max_assignments_exceeded"
INACTIVE = "user_inactive"


@dataclass(frozen=True)
class Member:
    """A person of the pool. `room` is how many more of the book they may have; None: any number."""

    user_id: int
    room: int | None = None
    is_active: bool = True

    def has_room_for(self, coupons: int) -> bool:
        return self.room is None or self.room >= coupons


@dataclass(frozen=True)
class Skipped:
    """Somebody who is given none, and why; `room` is what they could have had."""

    user_id: int
    reason: str
    room: int


@dataclass(frozen=True)
class Sharing:
    """Coupons per person, by id; what is left over; who was passed by."""

    shares: dict[int, int]
    remainder: int
    skipped: tuple[Skipped, ...]

    @property
    def total(self) -> int:
        return sum(self.shares.values())


def share_equally(
    members: Sequence[Member], *, count: int | None = None, per_user: int | None = None
) -> Sharing:
    """The same share for each: `per_user`, or `count` divided. Exactly one of them is given."""
    open_to, skipped = _open_to(members)
    share = per_user if per_user is not None else (count or 0) // max(1, len(open_to))
    receiving = [member for member in open_to if share and member.has_room_for(share)]
    left_out = [
        Skipped(member.user_id, AT_LIMIT, member.room or 0)
        for member in open_to
        if share and not member.has_room_for(share)
    ]
    shares = {member.user_id: share for member in receiving}
    remainder = 0 if count is None else count - share * len(receiving)
    return Sharing(shares, remainder, _in_order([*skipped, *left_out]))


def share_randomly(
    members: Sequence[Member],
    *,
    seed: int,
    count: int | None = None,
    per_user: int | None = None,
) -> Sharing:
    """Each coupon to a random member with room; `per_user` is how many there are per member."""
    open_to, skipped = _open_to(members)
    wanted = count if count is not None else (per_user or 0) * len(open_to)
    chance = random.Random(seed)  # noqa: S311
    shares: dict[int, int] = {}
    still = sorted(open_to, key=lambda member: member.user_id)
    given = 0
    while given < wanted and still:
        place = chance.randrange(len(still))
        member = still[place]
        shares[member.user_id] = shares.get(member.user_id, 0) + 1
        given += 1
        if not member.has_room_for(shares[member.user_id] + 1):
            still[place] = still[-1]
            still.pop()
    return Sharing(dict(sorted(shares.items())), wanted - given, _in_order(skipped))


def _open_to(members: Sequence[Member]) -> tuple[list[Member], list[Skipped]]:
    open_to, skipped = [], []
    for member in members:
        if not member.is_active:
            skipped.append(Skipped(member.user_id, INACTIVE, 0))
        elif not member.has_room_for(1):
            skipped.append(Skipped(member.user_id, AT_LIMIT, 0))
        else:
            open_to.append(member)
    return sorted(open_to, key=lambda member: member.user_id), skipped


def _in_order(skipped: list[Skipped]) -> tuple[Skipped, ...]:
    return tuple(sorted(skipped, key=lambda one: one.user_id))
