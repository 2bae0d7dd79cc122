"""Codes by the hundred thousand: made, spread over people, and looked at in a large book."""

import http.cookiejar
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from statistics import median

import psycopg

from benchmarks.coupons import COPY, MANY, book_of
from benchmarks.report import Row
from benchmarks.world import READER, USERS, World

SPREAD = 100_000
READS = 15
PASSWORD = "bench-password-of-staff"
MAIL = "desk@example.com"

_GENERATE = """
import resource, time
from promotions.coupons.services import batches, books
book = books.create_book(name="bench")
started = time.perf_counter()
batches.generate(book.pk, count={count}, here=True)
print(book.pk, time.perf_counter() - started,
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_COLUMNS = "id, book_id, batch_id, code, state, max_redemptions, uses, draw_key"
_POOL = f"""
from accounts.services import pools
pool = pools.create_pool(name="bench")
pools.add_users(pool.pk, user_ids=list(range(1, {USERS} + 1)))
print(pool.pk)
"""
_DISTRIBUTE = """
import time
from promotions.coupons.services import distributing
started = time.perf_counter()
done = distributing.distribute({pool}, book_id={book}, mode="equal", count={count})
print(time.perf_counter() - started, done.plan.count, len(done.codes))
"""
_UPDATE = f"""
UPDATE bench_coupon coupon SET state = 'ASSIGNED', assigned_to_id = given.user_id,
    assigned_at = now(), distribution_id = 1
FROM (
    SELECT id, 1 + row_number() OVER () % {USERS} AS user_id FROM (
        SELECT id FROM bench_coupon WHERE state = 'UNASSIGNED' ORDER BY random() LIMIT {SPREAD}
    ) free
) given
WHERE coupon.id = given.id
"""
# The people of the world were made with their ids: one of them comes to the desk.
_STAFF = f"""
from accounts.models import User
user = User.objects.get(pk=1)
user.email, user.role = {MAIL!r}, "marketer"
user.set_password({PASSWORD!r})
user.save()
"""


def run_generate(world: World, *, passes: int, events: int) -> list[Row]:
    """The service in a process of its own, beside COPY of the rows that it made."""
    _, _, little = _generated(world, SPREAD)
    limits: list[float] = []
    ours: list[float] = []
    memory: list[float] = []
    with world.without_autovacuum():
        for _ in range(passes):
            book, seconds, most = _generated(world, MANY)
            ours.append(seconds)
            memory.append(most)
            limits.append(_copied(world, book))
    return [
        Row(
            f"generate {MANY:,} codes (COPY / ours)",
            limit=f"{MANY / median(limits):,.0f}/s",
            ours=f"{MANY / median(ours):,.0f}/s",
            ratios=[limit / mine for limit, mine in zip(limits, ours, strict=True)],
            goal=0.6,
        ),
        Row(
            f"memory of it, {SPREAD:,} / {MANY:,}",
            limit=f"{little:,.0f} MiB",
            ours=f"{median(memory):,.0f} MiB",
            ratios=[little / most for most in memory],
            goal=0.9,
        ),
    ]


def _generated(world: World, count: int) -> tuple[int, float, float]:
    """The new book, the seconds it took, and MiB of the process at the most."""
    book, seconds, memory = world.instance.python(_GENERATE.format(count=count)).split()
    return int(book), float(seconds), float(memory)


def _copied(world: World, book: int) -> float:
    """Seconds to COPY the codes of a book into a table like theirs."""
    url = world.instance.env["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        text = bytearray()
        query = f"COPY (SELECT {_COLUMNS} FROM coupons_coupon WHERE book_id = {book}) TO STDOUT"
        with connection.cursor().copy(query) as copy:
            for piece in copy:
                text += piece
        if connection.execute("SELECT to_regclass('bench_codes')").fetchone() == (None,):
            connection.execute(
                "CREATE TABLE bench_codes "
                "(LIKE coupons_coupon INCLUDING INDEXES INCLUDING GENERATED)"
            )
        started = time.perf_counter()
        with connection.cursor().copy(f"COPY bench_codes ({_COLUMNS}) FROM STDIN") as copy:
            copy.write(text)
        return time.perf_counter() - started


def run_distribute(world: World, *, passes: int, events: int) -> list[Row]:
    """The service, plan and answer included, beside one UPDATE of as many rows like these."""
    pool = int(world.instance.python(_POOL))
    book = book_of(world, SPREAD * (passes + 1))
    world.instance.sql(COPY.format(which=f"book_id = {book}"))
    limits: list[float] = []
    ours: list[float] = []
    with world.without_autovacuum():
        for _ in range(passes):
            started = time.perf_counter()
            world.instance.sql(_UPDATE)
            limits.append(time.perf_counter() - started)
            seconds, *done = world.instance.python(
                _DISTRIBUTE.format(pool=pool, book=book, count=SPREAD)
            ).split()
            if done != [str(SPREAD), str(USERS)]:
                raise RuntimeError(f"gave {done}")
            ours.append(float(seconds))
    return [
        Row(
            f"distribute {SPREAD:,} (UPDATE / ours)",
            limit=f"{SPREAD / median(limits):,.0f}/s",
            ours=f"{SPREAD / median(ours):,.0f}/s",
            ratios=[limit / mine for limit, mine in zip(limits, ours, strict=True)],
            goal=0.6,
        )
    ]


def run_page(world: World, *, passes: int, events: int) -> list[Row]:
    """A book of a million over HTTP: as the API tells it, its codes, and the page at the desk."""
    book = book_of(world, MANY)
    world.instance.sql("VACUUM ANALYZE")
    read = _reader(world)
    reads: dict[str, Callable[[], object]] = {
        "book, API": lambda: _api(world, f"/api/v1/books/{book}"),
        "its coupons, API": lambda: _api(world, f"/api/v1/books/{book}/coupons"),
        "its free coupons, API": lambda: _api(
            world, f"/api/v1/books/{book}/coupons?state=UNASSIGNED"
        ),
        "its page at the desk": lambda: read(f"/desk/books/{book}"),
    }
    rows = []
    for name, ask in reads.items():
        seconds = [_median(ask) for _ in range(passes)]
        rows.append(
            Row(
                f"{name}, {MANY:,} codes (300 ms / ours)",
                limit="300 ms",
                ours=f"{median(seconds) * 1000:.1f} ms",
                ratios=[0.3 / one for one in seconds],
                goal=1.0,
            )
        )
    return rows


def _median(ask: Callable[[], object]) -> float:
    taken = []
    for _ in range(READS):
        started = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - started)
    return median(taken)


def _api(world: World, path: str) -> None:
    status, _answer = world.instance.request("GET", path, key=READER)
    if status != 200:
        raise RuntimeError(f"answered {status}")


def _reader(world: World) -> Callable[[str], None]:
    """Reads pages as somebody at the desk who has logged in."""
    world.instance.python(_STAFF)
    world.instance.manage("collectstatic", "--noinput", "-v", "0")
    world.instance.stop("web")
    world.instance.start("web")
    opener = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    root = f"http://127.0.0.1:{world.instance.port}"
    form = opener.open(f"{root}/login", timeout=30).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token is not None
    fields = {"csrfmiddlewaretoken": token[1], "username": MAIL, "password": PASSWORD}
    opener.open(
        urllib.request.Request(
            f"{root}/login",
            urllib.parse.urlencode(fields).encode(),
            {"Origin": root, "Referer": f"{root}/login"},
        ),
        timeout=30,
    )

    def read(path: str) -> None:
        with opener.open(root + path, timeout=30) as response:
            page = response.read().decode()
            if response.url != root + path or "bench" not in page:
                raise RuntimeError(f"no page: {response.url}")

    return read
