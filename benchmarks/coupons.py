"""Coupons one at a time: a random draw and a use, each beside the least that could do it."""

import re
from statistics import median

from benchmarks import pgbench
from benchmarks.report import Row
from benchmarks.world import USERS, World

CLIENTS = 16
WARM_UP = 2  # seconds in which sessions make their plans
SECONDS = 4  # a slice: ours and the limit take turns, so that a busy moment is both's
SLICES = 2  # a pass
MANY = 1_000_000
# Books of 1,000 codes, so many that none is nearly empty; each is drawn from for some people only,
# so that a draw is somebody's first of the book as seldom as with the large one.
FEW, BOOKS = 1_000, 800
CALLS = 300  # of the service

# The same rows with the same indexes, and nobody who judges what is done to them.
COPY = """
DROP TABLE IF EXISTS bench_coupon;
CREATE TABLE bench_coupon (LIKE coupons_coupon INCLUDING INDEXES INCLUDING GENERATED);
INSERT INTO bench_coupon (id, book_id, batch_id, code, state, max_redemptions, uses, assigned_to_id,
        assigned_at, draw_key)
    SELECT id, book_id, batch_id, code, state, max_redemptions, uses, assigned_to_id, assigned_at,
        draw_key
    FROM coupons_coupon WHERE {which} ORDER BY id;
"""
_FILL = """
from promotions.coupons.services import batches, books
for _ in range({books}):
    book = books.create_book(name="bench")
    batches.generate(book.pk, count={count}, length=16, here=True)
print(book.pk)
"""
_UPDATE = f"""\\set user random(1, {USERS})
\\set id random(:first, :last)
UPDATE bench_coupon SET state = 'ASSIGNED', assigned_to_id = :user, assigned_at = now()
    WHERE id = :id RETURNING id;
"""
_DRAWS = """
from promotions.coupons.services import assigning
print(assigning.FIRST_LOOKS, assigning.LOOKS, assigning._DRAW_ONE, assigning._DRAW, sep="|")
"""
_CALL = """
import time
from promotions.coupons.services import assigning
for turn in range(2):
    started = time.perf_counter()
    for number in range({calls}):
        assigning.assign({book}, user_id=1 + number)
print({calls} / (time.perf_counter() - started))
"""
_ASSIGNED = "SELECT coalesce(sum(assigned), 0) FROM coupons_booktally"

_REDEMPTIONS = """
DROP TABLE IF EXISTS bench_redemption;
CREATE TABLE bench_redemption (LIKE coupons_couponredemption INCLUDING INDEXES INCLUDING IDENTITY);
"""
# Every code of the book is somebody's: the one with the number n is that of user 1 + n % USERS.
_GIVE_ALL = f"""
UPDATE coupons_coupon SET state = 'ASSIGNED', assigned_at = now(),
    assigned_to_id = 1 + (id - {{first}}) % {USERS} WHERE book_id = {{book}};
"""
# Each client has its own codes, each once.
_NEXT = f"""\\set n :n + 1
\\set place permute(:n * {CLIENTS} + :client_id, {MANY}, 5)
\\set user 1 + :place % {USERS}
\\set id :first + :place
"""
_USE = f"""{_NEXT}
INSERT INTO coupons_couponredemption (coupon_id, book_id, user_id, metadata)
    VALUES (:id, :book, :user, '{{}}') RETURNING id;
"""
_USE_UNJUDGED = f"""{_NEXT}
BEGIN;
UPDATE bench_coupon SET state = 'REDEEMED', uses = uses + 1, redeemed_at = now() WHERE id = :id;
INSERT INTO bench_redemption (coupon_id, book_id, user_id, metadata, created_at)
    VALUES (:id, :book, :user, '{{}}', now()) RETURNING id;
COMMIT;
"""


def book_of(world: World, count: int, *, books: int = 1) -> int:
    """Books of so many new codes; the id of the last one."""
    return int(world.instance.python(_FILL.format(books=books, count=count)))


def ids_of(world: World, book: int) -> tuple[int, int]:
    """The first and the last id of a book's codes; none between is missing, as where a code that
    was made twice is thrown away.
    """
    ((first, last, count),) = world.instance.sql(
        f"SELECT min(id), max(id), count(*) FROM coupons_coupon WHERE book_id = {book}"
    )
    if last - first + 1 != count:
        raise RuntimeError(f"{last - first + 1 - count} ids are missing")
    return int(first), int(last)


def run_assign(world: World, *, passes: int, events: int) -> list[Row]:
    """The statement that draws, from one large book and from small ones; the service beside it."""
    large = book_of(world, MANY)
    small = book_of(world, FEW, books=BOOKS)
    # All of them: in a smaller table the limit would find its pages sooner.
    world.instance.sql(COPY.format(which="true"))
    first, last = ids_of(world, large)
    draw = f"\\set user random(1, {USERS})\n" + _script(world, MANY)
    draw_small = (
        f"\\set book random({small - BOOKS + 1}, {small})\n"
        f"\\set user random(1, {USERS // BOOKS})\n" + _script(world, FEW)
    )
    limits, ours, smalls = [], [], []
    with world.without_autovacuum():
        for _ in range(passes * SLICES):
            limits.append(_slice(world, _UPDATE, first=first, last=last))
            ours.append(_counted(world, draw, book=large))
            smalls.append(_counted(world, draw_small))
    called = float(world.instance.python(_CALL.format(calls=CALLS, book=large)))
    return [
        Row(
            f"random assign of {MANY:,}, {CLIENTS} clients",
            limit=f"{median(limits):,.0f}/s",
            ours=f"{median(ours):,.0f}/s",
            ratios=[mine / limit for mine, limit in zip(ours, limits, strict=True)],
            goal=0.6,
        ),
        Row(
            f"the same / from books of {FEW:,}",
            limit=f"{median(smalls):,.0f}/s",
            ours=f"{median(ours):,.0f}/s",
            ratios=[mine / small for mine, small in zip(ours, smalls, strict=True)],
            goal=0.67,
        ),
        Row(
            "the service's calls in one process / statement",
            limit=f"{median(ours):,.0f}/s",
            ours=f"{called:,.0f}/s",
            ratios=[called / median(ours)],
            goal=0.0,
        ),
    ]


def run_redeem(world: World, *, passes: int, events: int) -> list[Row]:
    """The statement that is a use, beside an unconditional UPDATE and INSERT."""
    book = book_of(world, MANY)
    first, _last = ids_of(world, book)
    world.instance.sql(_GIVE_ALL.format(book=book, first=first))
    world.instance.sql(COPY.format(which=f"book_id = {book}") + _REDEMPTIONS)
    limits: list[float] = []
    ours: list[float] = []
    done = dict.fromkeys((_USE_UNJUDGED, _USE), 0)
    with world.without_autovacuum():
        for _ in range(passes * SLICES):
            for script, rates in ((_USE_UNJUDGED, limits), (_USE, ours)):
                found = pgbench.run(
                    world, script, clients=CLIENTS, seconds=SECONDS, warm_up=WARM_UP,
                    n=done[script], first=first, book=book,
                )  # fmt: skip
                # One client is ahead of another: none takes what another one took before.
                done[script] += found.count // CLIENTS * 2 + 100
                rates.append(found.rate)
    return [
        Row(
            f"redeem, {CLIENTS} clients",
            limit=f"{median(limits):,.0f}/s",
            ours=f"{median(ours):,.0f}/s",
            ratios=[mine / limit for mine, limit in zip(ours, limits, strict=True)],
            goal=0.8,
        )
    ]


def _script(world: World, places: int) -> str:
    """What the service sends to give one coupon: few looks, and more where those find nothing."""
    few, looks, one, several = world.instance.python(_DRAWS).strip().split("|")
    first = [f"place{number}" for number in range(int(few))]
    names = [f"look{number}" for number in range(int(looks) + 2)]
    several = several.replace("%(places)s", f"ARRAY[{', '.join(f':{name}' for name in names)}]")
    return f"""{"".join(_place(name, places) for name in first)}\\set found 0
{_for_pgbench(one)}, 1 AS found \\aset
\\if :found = 0
{"".join(_place(name, places) for name in names)}{_for_pgbench(several)};
\\endif
"""


def _place(name: str, places: int) -> str:
    return f"\\set {name} (:book << 31) + random(0, {places - 1})\n"


def _for_pgbench(statement: str) -> str:
    statement = statement.replace("%(count)s", "1")
    return " ".join(re.sub(r"%\((\w+)\)s", r":\1", statement).split())


def _slice(world: World, script: str, **variables: int) -> float:
    return pgbench.run(
        world, script, clients=CLIENTS, seconds=SECONDS, warm_up=WARM_UP, **variables
    ).rate


def _counted(world: World, script: str, **variables: int) -> float:
    """A slice of draws a second, each of which has given a coupon. Raises RuntimeError if not."""
    before = world.instance.sql(_ASSIGNED)[0][0]
    done = pgbench.run(
        world, script, clients=CLIENTS, seconds=SECONDS, warm_up=WARM_UP, **variables
    )
    given = int(world.instance.sql(_ASSIGNED)[0][0] - before)
    if given < done.count * 0.99:
        raise RuntimeError(f"{done.count - given} of {done.count} draws found nothing")
    return done.rate * given / done.count
