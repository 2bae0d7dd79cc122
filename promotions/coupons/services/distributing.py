"""Codes spread over a pool: planned, confirmed, done at once or not at all, undone.

Which row is the truth: the coupons, each with its holder and its distribution. Lock order: the
book's distributions (advisory: members who have nothing of a book yet have no row to lock, so two
could not agree on an order), the pool (shared: its members stay), the book's rules (shared), what
its members have of the book (by user id), then free coupons, for which nobody waits. So the rooms
that the plan is made of are those that are taken. The coupons are chosen and given out by the seed:
the same seed and data give the same result. A crash before the commit leaves nothing.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.models import Pool
from promopulse.lib import plans
from promopulse.lib.errors import Invalid, NotFound
from promopulse.lib.sql import fetch_all, fetch_one
from promopulse.lib.time import ClockTimestamp
from promopulse.lib.words import plural
from promotions.coupons import metrics, rules, sharing
from promotions.coupons.errors import (
    BookExhausted,
    BookNotFound,
    ConcurrentRedemption,
    CouponExpired,
    CouponLocked,
    CouponRedeemed,
    DistributionNotFound,
    MaxAssignmentsExceeded,
)
from promotions.coupons.models import CouponBook, Distribution
from promotions.coupons.services.assigning import free_of
from promotions.coupons.services.finding import SHARED_RULES, check_open, clock, promptly
from promotions.coupons.sharing import Member, Sharing

# A distribution of 100,000 holds its rows for seconds; another one waits for it.
WAIT_MS, FROZEN_MS = 30_000, 60_000

_MEMBERS = """
SELECT member.user_id, person.is_active, coalesce(held.assigned, 0)
FROM accounts_poolmembership member
JOIN accounts_user person ON person.id = member.user_id
LEFT JOIN coupons_bookuser held
    ON held.book_id = %(book)s AND held.user_id = member.user_id
WHERE member.pool_id = %(pool)s
ORDER BY member.user_id
"""
_ONE_AT_A_TIME = """
SELECT pg_advisory_xact_lock(hashtextextended('coupon distributions of ' || %(book)s::bigint, 0))
"""
_SHARE_RULES = f"SELECT {SHARED_RULES}"
_HOLD_MEMBERS = """
SELECT held.user_id FROM coupons_bookuser held
JOIN accounts_poolmembership member ON member.user_id = held.user_id
WHERE held.book_id = %(book)s AND member.pool_id = %(pool)s
ORDER BY held.user_id FOR NO KEY UPDATE OF held
"""
# The lowest of the seed's hashes: any free code is as likely. Those above the share that will be
# needed are not even sorted.
_CHOOSE = """
SELECT id FROM coupons_coupon
WHERE book_id = %(book)s AND state = 'UNASSIGNED'
    AND hashint8extended(id, %(seed)s) <= %(highest)s
ORDER BY hashint8extended(id, %(seed)s), id
LIMIT %(count)s FOR NO KEY UPDATE SKIP LOCKED
"""
_GIVE = """
UPDATE coupons_coupon coupon SET state = 'ASSIGNED', assigned_to_id = given.user_id,
    assigned_at = %(at)s, distribution_id = %(distribution)s
FROM unnest(%(ids)s::bigint[], %(users)s::bigint[]) AS given(id, user_id)
WHERE coupon.id = given.id
RETURNING given.user_id, coupon.code
"""
_MOST_HASH = 2**63 - 1


@dataclass(frozen=True)
class Plan:
    """What a distribution would do: shares, and the seed that chooses the codes. `last` is the
    latest one of this book to this pool: what was planned before it is not done after it, so a
    plan that is sent twice is done once."""

    book_id: int
    pool_id: int
    mode: str
    seed: int
    sharing: Sharing
    available: int
    last: int | None

    @property
    def count(self) -> int:
        return self.sharing.total

    @property
    def hash(self) -> str:
        """Stands for who is given how many. Which codes is seen when they are given."""
        shares = sorted(self.sharing.shares.items())
        skipped = [(one.user_id, one.reason) for one in self.sharing.skipped]
        where = (self.book_id, self.pool_id, self.last)
        return plans.digest("coupons.distribute", *where, self.mode, self.seed, shares, skipped)


@dataclass(frozen=True)
class Distributed:
    """A plan and, unless it was a dry run, what came of it: codes per user."""

    plan: Plan
    distribution: Distribution | None = None
    codes: dict[int, list[str]] = field(default_factory=dict)


def distribute(
    pool_id: int,
    *,
    book_id: int,
    mode: str,
    count: int | None = None,
    coupons_per_user: int | None = None,
    seed: int | None = None,
    dry_run: bool = False,
    expect_plan: str | None = None,
    reason: str = "",
) -> Distributed:
    """Give codes of a book to the members of a pool, all of the plan or none of it.

    Exactly one of `count` and `coupons_per_user`. `expect_plan` is the hash of a dry run; give its
    seed too. Raises NotFound (pool), BookNotFound, BookInactive, CouponExpired, BookExhausted,
    PlanChanged, ConcurrentRedemption or Invalid.
    """
    _check(mode, count, coupons_per_user, seed)
    reason = rules.reason(reason)
    seed = secrets.randbelow(rules.MAX_SEED + 1) if seed is None else seed
    with promptly("distribute", wait_ms=WAIT_MS, frozen_ms=FROZEN_MS):
        if not Pool.objects.filter(pk=pool_id).exists():
            raise NotFound()
        book = CouponBook.objects.filter(pk=book_id).first()
        if book is None:
            raise BookNotFound()
        if not dry_run:
            _hold(book_id, pool_id)
            book.refresh_from_db()
        check_open(book)
        plan = _plan(book, pool_id, mode, seed, count, coupons_per_user)
        plans.must_be(plan, expect_plan)
        if dry_run:
            return Distributed(plan)
        return _carry_out(plan, reason)


def _check(mode: str, count: int | None, per_user: int | None, seed: int | None) -> None:
    if mode not in Distribution.Mode.values:
        raise Invalid("mode", "random or equal is expected.")
    if (count is None) == (per_user is None):
        raise Invalid("count", "Give either count or coupons_per_user.", "exactly_one")
    if count is not None:
        rules.whole("count", count, 1, rules.MAX_DISTRIBUTED)
    if per_user is not None:
        rules.whole("coupons_per_user", per_user, 1, rules.MAX_DISTRIBUTED)
    if seed is not None:
        rules.whole("seed", seed, 0, rules.MAX_SEED)


def _hold(book_id: int, pool_id: int) -> None:
    fetch_one(_ONE_AT_A_TIME, {"book": book_id})
    fetch_one("SELECT id FROM accounts_pool WHERE id = %(id)s FOR SHARE", {"id": pool_id})
    fetch_one(_SHARE_RULES, {"book": book_id})
    fetch_all(_HOLD_MEMBERS, {"book": book_id, "pool": pool_id})


def _plan(
    book: CouponBook,
    pool_id: int,
    mode: str,
    seed: int,
    count: int | None,
    per_user: int | None,
) -> Plan:
    limit = book.max_assignments_per_user
    members = [
        Member(user_id, None if limit is None else max(0, limit - assigned), is_active)
        for user_id, is_active, assigned in fetch_all(_MEMBERS, {"book": book.pk, "pool": pool_id})
    ]
    if mode == Distribution.Mode.EQUAL:
        shared = sharing.share_equally(members, count=count, per_user=per_user)
    else:
        shared = sharing.share_randomly(members, seed=seed, count=count, per_user=per_user)
    available = free_of(book.pk)
    if shared.total > rules.MAX_DISTRIBUTED:
        raise Invalid(
            "coupons_per_user", f"At most {rules.MAX_DISTRIBUTED} at once.", "out_of_range"
        )
    if shared.total > available:
        raise BookExhausted(left=available, wanted=shared.total)
    if not shared.shares:
        raise Invalid(
            "count",
            f"Nobody of the pool would be given one: {_why(shared, len(members))}.",
            "nobody",
        )
    before = Distribution.objects.filter(book=book, pool=pool_id).order_by("-pk")
    last = before.values_list("pk", flat=True).first()
    return Plan(book.pk, pool_id, mode, seed, shared, available, last)


def _why(shared: sharing.Sharing, people: int) -> str:
    """Why nobody of a pool of so many people is given one."""
    if not people:
        return "the pool is empty"
    if len(shared.skipped) < people:
        return "there are fewer coupons than people who could have one"
    limited = sum(one.reason == sharing.AT_LIMIT for one in shared.skipped)
    closed = len(shared.skipped) - limited
    told = {
        "left too little room by the book's limit for a person": limited,
        "with a closed account": closed,
    }
    return ", ".join(f"{plural(n, 'person', 'people')} {why}" for why, n in told.items() if n)


def _carry_out(plan: Plan, reason: str) -> Distributed:
    ids = _chosen(plan)
    distribution = Distribution.objects.create(
        book_id=plan.book_id,
        pool_id=plan.pool_id,
        mode=plan.mode,
        seed=plan.seed,
        plan=plan.hash,
        assigned=plan.count,
        users=len(plan.sharing.shares),
        remainder=plan.sharing.remainder,
        skipped=[vars(one) for one in plan.sharing.skipped],
    )
    codes = _given(plan, distribution, ids)
    audit.record(
        "book.distribute",
        distribution.book,
        after={
            "distribution_id": distribution.pk,
            "pool_id": plan.pool_id,
            "mode": plan.mode,
            "coupons": plan.count,
            "users": len(codes),
            "skipped": len(plan.sharing.skipped),
            "seed": plan.seed,
        },
        reason=reason,
    )
    metrics.counted(metrics.ASSIGNED, plan.count)
    return Distributed(plan, distribution, codes)


def _chosen(plan: Plan) -> list[int]:
    """Free codes, as many as are needed, in the order of the seed."""
    needed = plan.count
    share = min(1.0, 1.2 * needed / plan.available + 64 / plan.available)
    highest = min(_MOST_HASH, int((share * 2 - 1) * 2**63))
    params: dict[str, Any] = {"book": plan.book_id, "seed": plan.seed, "count": needed}
    ids = [row for (row,) in fetch_all(_CHOOSE, params | {"highest": highest})]
    if len(ids) < needed:
        ids = [row for (row,) in fetch_all(_CHOOSE, params | {"highest": _MOST_HASH})]
    if len(ids) < needed:
        free = free_of(plan.book_id)
        if free < needed:
            raise BookExhausted(left=free, wanted=needed)
        raise ConcurrentRedemption()  # others hold some, who may give them back
    return ids


def _given(plan: Plan, distribution: Distribution, ids: list[int]) -> dict[int, list[str]]:
    holders = [user for user, share in plan.sharing.shares.items() for _ in range(share)]
    # In the order of the ids, in which most indexes lie: neighbours fall on the same pages.
    pairs = sorted(zip(ids, holders, strict=True))
    params: dict[str, Any] = {
        "at": clock(),
        "distribution": distribution.pk,
        "ids": [code for code, _ in pairs],
        "users": [user for _, user in pairs],
    }
    codes: dict[int, list[str]] = {user: [] for user in plan.sharing.shares}
    try:
        with transaction.atomic():
            for user, code in fetch_all(_GIVE, params):
                codes[user].append(code)
    except MaxAssignmentsExceeded:
        # Somebody who had nothing of the book was given something since the plan was made.
        raise plans.changed(plan) from None
    return {user: sorted(given) for user, given in codes.items()}


_HOLD_HOLDERS = """
SELECT held.user_id FROM coupons_bookuser held
WHERE held.book_id = %(book)s AND held.user_id IN (
    SELECT assigned_to_id FROM coupons_coupon WHERE distribution_id = %(id)s)
ORDER BY held.user_id FOR NO KEY UPDATE
"""
_HOLD_COUPONS = """
SELECT id FROM coupons_coupon WHERE distribution_id = %(id)s ORDER BY id FOR NO KEY UPDATE
"""
_LET_LAPSED_GO = """
UPDATE coupons_coupon SET state = 'ASSIGNED', locked_until = NULL, lock_token_hash = NULL
WHERE distribution_id = %(id)s AND state = 'LOCKED' AND locked_until <= coupons_clock()
RETURNING id
"""
_IN_THE_WAY = """
SELECT count(*) FILTER (WHERE uses > 0), count(*) FILTER (WHERE state = 'LOCKED'),
    count(*) FILTER (WHERE state = 'EXPIRED')
FROM coupons_coupon WHERE distribution_id = %(id)s
"""
_TAKE_BACK = """
UPDATE coupons_coupon SET state = 'UNASSIGNED', assigned_to_id = NULL, assigned_at = NULL,
    distribution_id = NULL
WHERE distribution_id = %(id)s RETURNING id
"""


def undo(distribution_id: int, *, reason: str = "") -> Distribution:
    """Take back every code of a distribution, while none is locked or was used.

    One that is undone stays so. Raises DistributionNotFound, CouponRedeemed, CouponLocked or
    CouponExpired.
    """
    reason = rules.reason(reason)
    with promptly("undo", wait_ms=WAIT_MS, frozen_ms=FROZEN_MS):
        distribution = Distribution.objects.filter(pk=distribution_id).first()
        if distribution is None:
            raise DistributionNotFound()
        params = {"id": distribution_id, "book": distribution.book_id}
        fetch_one(_ONE_AT_A_TIME, {"book": distribution.book_id})
        distribution.refresh_from_db()
        if distribution.undone_at is not None:
            return distribution
        fetch_one(_SHARE_RULES, params)
        fetch_all(_HOLD_HOLDERS, params)
        fetch_all(_HOLD_COUPONS, params)
        fetch_all(_LET_LAPSED_GO, params)
        _nothing_in_the_way(params)
        back = len(fetch_all(_TAKE_BACK, params))
        Distribution.objects.filter(pk=distribution_id).update(undone_at=ClockTimestamp())
        distribution.refresh_from_db()
        audit.record(
            "book.undo_distribution",
            distribution.book,
            after={"distribution_id": distribution_id, "coupons": back},
            reason=reason,
        )
        return distribution


def _nothing_in_the_way(params: dict[str, Any]) -> None:
    used, held, expired = fetch_one(_IN_THE_WAY, params)
    if used:
        raise CouponRedeemed(f"{used} of its coupons were used.", coupons=used)
    if held:
        raise CouponLocked(f"{held} of its coupons are locked.", coupons=held)
    if expired:
        raise CouponExpired(f"{expired} of its coupons have expired.", coupons=expired)
