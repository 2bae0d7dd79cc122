"""Coupons given to a user: drawn at random, or one by its code.

Which row is the truth: the Coupon with its holder. In a book with a limit per user, its rules are
shared and what the user has of it is locked first (where it exists), then free coupons, which
nobody waits for; the trigger of the coupons takes the limit in one upsert. Under a `source_id` the
request's own row comes before all: a second one waits for it and is answered the same coupons. A
crash before the commit leaves nothing.

A draw is uniform over the free codes: each of them is as likely, whatever was drawn, given back,
spread or brought before, and nobody can know which comes. The codes of a book have places, numbered
as they were brought (`draw_key`), no two the same. A draw names places by the operating
system's randomness, each of the `book.places` as likely, and takes the first of them in whose place
there is a free code that nobody holds at this moment. So at each look every free code has the one
chance 1/places, and the first look that succeeds chooses among them alike; how they lie among the
places does not come into it. (The next code after a random point would be drawn by the width of
the gap before it.) Which place was named is seen by nobody until its code is given.

While most codes are free one of the first looks succeeds, in a book of any size: they are one
statement, in which the second is begun only where the first finds nothing. Later looks are named
several at once, then in the number that finds what is wanted nearly always, at a microsecond each,
until it is cheaper to put all free ones in random order: at most some milliseconds at the end of a
book of a million.

A book is exhausted when nobody could give a code back by failing: the last free ones that others
hold are waited for, a moment only, so that whoever waits for us in turn is not waited for in vain.
"""

import random
from dataclasses import dataclass
from math import ceil, sqrt

from accounts import audit
from accounts.errors import IdempotencyKeyReused, UserNotFound
from accounts.models import User
from promopulse.lib.sql import fetch_all, fetch_one
from promotions.coupons import metrics, rules
from promotions.coupons.errors import (
    BookExhausted,
    BookNotFound,
    ConcurrentRedemption,
    CouponNotAvailable,
    MaxAssignmentsExceeded,
)
from promotions.coupons.models import AssignRequest, Coupon, CouponBook
from promotions.coupons.services.finding import (
    SHARED_RULES,
    WAIT_MS,
    check_open,
    find,
    judge,
    locked,
    promptly,
)
from promotions.coupons.states import Action

# Looks of the first statement. A third one costs 3 us of 130 where the first succeeds, and saves 30
# where one code in five is given.
FIRST_LOOKS = 3
# So many looks before it is asked how many codes are free: they find one in all but emptied books.
LOOKS = 6
# So few are simply put in random order.
FEW = 64
ROUNDS = 8
ASSIGN_WAIT_MS = 5_000


@dataclass(frozen=True)
class _Wanted:
    book: CouponBook
    user_id: int
    count: int


# The rules before the row: who sets a limit or removes it has them alone, then writes every row.
_HOLD = f"""
SELECT assigned FROM {SHARED_RULES} rules, coupons_bookuser held
WHERE book_id = %(book)s AND user_id = %(user)s FOR NO KEY UPDATE OF held
"""
_FREE = (
    "SELECT coalesce(sum(unassigned), 0)::bigint FROM coupons_booktally WHERE book_id = %(book)s"
)

_GIVE = """
UPDATE coupons_coupon coupon
SET state = 'ASSIGNED', assigned_to_id = %(user)s, assigned_at = coupons_clock()
WHERE coupon.id = {drawn} AND coupon.state = 'UNASSIGNED'
RETURNING coupon.id
"""
_GIVE_ALL = _GIVE.format(drawn="ANY(ARRAY({drawn}))")
# Nearly all draws are this one: the fewest parts for the server to make ready.
_LOOK = """(
    SELECT id FROM coupons_coupon WHERE state = 'UNASSIGNED' AND draw_key = %(place{number})s
    FOR NO KEY UPDATE SKIP LOCKED
)"""
_FIRST = f"COALESCE({', '.join(_LOOK.format(number=number) for number in range(FIRST_LOOKS))})"
# Looked at in the order they were named, no further than is needed.
_FOUND = """
    SELECT held.id FROM unnest(%(places)s::bigint[]) AS look(place)
    CROSS JOIN LATERAL (
        SELECT id FROM coupons_coupon
        WHERE state = 'UNASSIGNED' AND draw_key = look.place
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) held
    LIMIT %(count)s
"""
_FOUND_OF_FEW = """
    SELECT id FROM coupons_coupon
    WHERE state = 'UNASSIGNED' AND draw_key >= %(first)s AND draw_key < %(first)s + %(places)s
    ORDER BY random() LIMIT %(count)s FOR NO KEY UPDATE SKIP LOCKED
"""
_DRAW_ONE = _GIVE.format(drawn=_FIRST)
_DRAW = _GIVE_ALL.format(drawn=_FOUND)
_DRAW_OF_FEW = _GIVE_ALL.format(drawn=_FOUND_OF_FEW)
_DRAW_OF_HELD = _GIVE_ALL.format(drawn=_FOUND_OF_FEW.replace(" SKIP LOCKED", ""))
# Less than the server takes to look for those who wait in a circle.
_SHORTLY = f"SELECT set_config('lock_timeout', '{WAIT_MS}ms', true)"
_GIVE_ONE = _GIVE.format(drawn="%(id)s")

_chance = random.SystemRandom()


def assign(
    book_id: int, *, user_id: int, count: int = 1, source_id: str | None = None
) -> list[Coupon]:
    """Give a user so many random coupons of a book, all or none.

    The same `source_id` answers the same coupons again. Raises BookNotFound, UserNotFound,
    BookInactive, CouponExpired, MaxAssignmentsExceeded, BookExhausted, Invalid or
    ConcurrentRedemption.
    """
    rules.whole("count", count, 1, rules.MAX_ASSIGNED)
    source_id = rules.source_id(source_id)
    # A distribution to this user may be under way: it is waited for.
    with promptly("assign", wait_ms=ASSIGN_WAIT_MS):
        book = CouponBook.objects.filter(pk=book_id).first()
        if book is None:
            raise BookNotFound()
        _must_be_known(user_id)
        request = None
        if source_id is not None:
            request, is_new = _request(book, user_id, count, source_id)
            if not is_new:
                return _shown(request.coupon_ids)
        ids = _drawn(_Wanted(book, user_id, count))
        if request is not None:
            request.coupon_ids = ids
            request.save(update_fields=["coupon_ids"])
        metrics.counted(metrics.ASSIGNED, len(ids))
        return _shown(ids)


def assign_code(code: str, *, user_id: int) -> Coupon:
    """Give a user the coupon with this code.

    Raises CouponNotFound, UserNotFound, CouponNotAvailable, BookInactive, CouponExpired,
    MaxAssignmentsExceeded or ConcurrentRedemption.
    """
    with promptly("assign"):
        found = find(code)
        _must_be_known(user_id)
        _hold(found.book, user_id)
        coupon = locked(found.pk)
        judge(Action.ASSIGN, coupon)
        given = fetch_one(_GIVE_ONE, {"id": coupon.pk, "user": user_id})
        if given is None:
            raise CouponNotAvailable()
        coupon.refresh_from_db(fields=["state", "assigned_to", "assigned_at"])
        audit.record("coupon.assign", coupon, after={"user_id": user_id})
        metrics.counted(metrics.ASSIGNED)
        return coupon


def _must_be_known(user_id: int) -> None:
    if not User.objects.filter(pk=user_id, erased_at=None).exists():
        raise UserNotFound()


def _request(
    book: CouponBook, user_id: int, count: int, source_id: str
) -> tuple[AssignRequest, bool]:
    """The row of this request, and whether it is new; one under way is waited for."""
    asked = AssignRequest(book=book, source_id=source_id, user_id=user_id, count=count)
    AssignRequest.objects.bulk_create([asked], ignore_conflicts=True)
    stored = AssignRequest.objects.select_for_update().get(book=book, source_id=source_id)
    if (stored.user_id, stored.count) != (user_id, count):
        raise IdempotencyKeyReused("This source_id was used with another request.")
    return stored, not stored.coupon_ids


def _drawn(wanted: _Wanted) -> list[int]:
    check_open(wanted.book)
    _check_room(wanted)
    book = wanted.book
    found: list[int] = []
    if book.places > FEW:
        if wanted.count == 1:
            found += _draw_one(wanted)
        if not found:
            found += _draw(wanted, wanted.count, LOOKS + 2 * wanted.count)
    for _ in range(ROUNDS):
        missing = wanted.count - len(found)
        if not missing:
            return found
        free = _enough_free(wanted, missing)
        looks = looks_for(missing, free, book.places)
        if free <= max(FEW, missing, looks):
            break
        found += _draw(wanted, missing, looks)
    # Few are left, or others hold nearly all of them: take of what there is.
    found += _draw_of_few(_DRAW_OF_FEW, wanted, wanted.count - len(found))
    if missing := wanted.count - len(found):
        _enough_free(wanted, missing)
        fetch_one(_SHORTLY, {})
        found += _draw_of_few(_DRAW_OF_HELD, wanted, missing)
    if missing := wanted.count - len(found):
        _enough_free(wanted, missing)
        raise ConcurrentRedemption()
    return found


def _enough_free(wanted: _Wanted, missing: int) -> int:
    """How many more codes are free, with those that others hold at this moment.

    Raises BookExhausted where that is not enough.
    """
    free = free_of(wanted.book.pk)
    if free < missing:
        raise BookExhausted(left=wanted.count - missing + free, wanted=wanted.count)
    return free


def looks_for(count: int, free: int, places: int) -> int:
    """So many random places that fewer than `count` free codes are among them once in a hundred
    times."""
    return ceil((count + 3 * sqrt(count) + 3) * places / max(1, free))


def _check_room(wanted: _Wanted) -> None:
    """Says early what the trigger would refuse at the end."""
    limit = wanted.book.max_assignments_per_user
    used = _hold(wanted.book, wanted.user_id)
    if limit is not None and used + wanted.count > limit:
        raise MaxAssignmentsExceeded(used=used, limit=limit)


def _hold(book: CouponBook, user_id: int) -> int:
    """Lock what a user has of a book, where it counts; how many they have."""
    if book.max_assignments_per_user is None:
        return 0
    row = fetch_one(_HOLD, {"book": book.pk, "user": user_id})
    return row[0] if row else 0


def free_of(book_id: int) -> int:
    """How many codes of a book are nobody's."""
    (free,) = fetch_one(_FREE, {"book": book_id})
    return int(free)


def named_places(book: CouponBook, looks: int) -> list[int]:
    """Places of a book to look at, each as likely and unknown to anybody."""
    return [book.first_place + _chance.randrange(book.places) for _ in range(looks)]


def numbered(places: list[int]) -> dict[str, int]:
    """Parameters of the statement that looks at a few, one after the other."""
    return {f"place{number}": place for number, place in enumerate(places)}


def _draw_one(wanted: _Wanted) -> list[int]:
    """The coupon of the first free one of some places, if one is."""
    places = numbered(named_places(wanted.book, FIRST_LOOKS))
    return [row for (row,) in fetch_all(_DRAW_ONE, {"user": wanted.user_id} | places)]


def _draw(wanted: _Wanted, count: int, looks: int) -> list[int]:
    params = {
        "user": wanted.user_id,
        "count": count,
        "places": named_places(wanted.book, looks),
    }
    return [row for (row,) in fetch_all(_DRAW, params)]


def _draw_of_few(statement: str, wanted: _Wanted, count: int) -> list[int]:
    params = {
        "first": wanted.book.first_place,
        "places": wanted.book.places,
        "user": wanted.user_id,
        "count": count,
    }
    return [row for (row,) in fetch_all(statement, params)]


def _shown(ids: list[int]) -> list[Coupon]:
    return list(Coupon.objects.select_related("book").filter(pk__in=ids).order_by("pk"))
