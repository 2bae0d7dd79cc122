"""Discounts: granting on one hot promotion, and finding what a cart can have among many."""

import http.client
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from statistics import median

import msgspec

from benchmarks import pgbench, single
from benchmarks.report import Row
from benchmarks.world import SHOP, USERS, World
from promopulse.environment import PROJECT
from promopulse.tests.live import free_port

CLIENTS = 32
SECONDS = 3  # of a slice
WARM_UP = 1  # second before it: sessions compile the functions they call
SLICES = 3  # a pass
PROCESSES = 4  # of the clients that are Python's
HOT = 900_001  # the promotion that everybody wants
READS = 40
APPLIED = 1_000  # requests a pass; a key may send 6,000 a minute


# Nothing but one hot row and one row of history: the least a counted grant could be.
_LIMIT_TABLES = """
CREATE TABLE bench_hot (id integer PRIMARY KEY, spent numeric NOT NULL);
CREATE TABLE bench_log (id bigserial PRIMARY KEY, user_id bigint NOT NULL);
INSERT INTO bench_hot VALUES (1, 0);
"""
_LIMIT = f"""\\set user random(1, {USERS})
BEGIN;
UPDATE bench_hot SET spent = spent + 1 WHERE id = 1;
INSERT INTO bench_log (user_id) VALUES (:user);
COMMIT;
"""
_GRANT = f"""\\set user random(1, {USERS})
INSERT INTO discounts_redemption
    (promotion_id, user_id, currency, cart_value, delivery_charge, wanted, limited_by)
    VALUES ({HOT}, :user, 'USD', 100, 0, 1, '') RETURNING id, amount;
"""
_PROMOTION = """
INSERT INTO promotions_promotion (id, name, description, start_at, end_at, timezone, currency,
        is_targeted, status, pause_reason, metadata, version, created_at, updated_at)
    SELECT n, 'bench', '', now() - interval '9 days', now() + interval '90 days', 'UTC', 'USD',
        false, 'draft', '', '{{}}', 1, now(), now()
    FROM generate_series({first}, {last}) n;
INSERT INTO promotions_budget (promotion_id, total, reserved, spent)
    SELECT n, 0, 0, 0 FROM generate_series({first}, {last}) n;
INSERT INTO promotions_budgetentry (budget_id, kind, amount)
    SELECT id, 'fund', 100000000 FROM promotions_budget
    WHERE promotion_id BETWEEN {first} AND {last};
INSERT INTO discounts_discount (promotion_id, discount_type, discount_flat, min_cart_value,
        max_usage_per_customer_per_day)
    SELECT n, 'cart', 1 + n % 50, 0, 1000000 FROM generate_series({first}, {last}) n;
UPDATE promotions_promotion SET status = 'active', activated_at = now()
    WHERE id BETWEEN {first} AND {last};
"""


def run_grant(world: World, *, passes: int, events: int) -> list[Row]:
    """The statement that grants, beside one hot UPDATE and one INSERT in a transaction."""
    _make_limit(world)
    _make_hot(world)
    return [
        _beside_the_limit(
            world,
            f"grant, one hot promotion, {CLIENTS} clients",
            lambda: _pgbench(world, _GRANT),
            passes=passes,
            goal=1.0,
        )
    ]


def run_service(world: World, *, passes: int, events: int) -> list[Row]:
    """The same through the service, by Python processes that share the cores as pgbench does."""
    _make_limit(world)
    _make_hot(world)
    threads = CLIENTS // PROCESSES
    command = [sys.executable, "-m", "benchmarks.granting", str(threads)]
    clients = [
        subprocess.Popen(
            command,
            cwd=PROJECT,
            env=world.instance.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]

    def hear(client: "subprocess.Popen[str]") -> str:
        assert client.stdout is not None
        return client.stdout.readline().strip()

    def rate() -> float:
        for client in clients:
            assert client.stdin is not None
            client.stdin.write(f"{SECONDS}\n")
            client.stdin.flush()
        return sum(int(hear(client)) for client in clients) / SECONDS

    try:
        if [hear(client) for client in clients] != ["ready"] * PROCESSES:
            raise RuntimeError("a client does not come up")
        return [
            _beside_the_limit(
                world,
                f"grant through the service, {CLIENTS} clients",
                rate,
                passes=passes,
                goal=0.5,
            )
        ]
    finally:
        for client in clients:
            client.terminate()
            client.wait()


def _beside_the_limit(
    world: World, path: str, rate: Callable[[], float], *, passes: int, goal: float
) -> Row:
    """Short slices of both in turns: what else the machine does then falls on both."""
    limit: list[float] = []
    ours: list[float] = []
    with world.without_autovacuum():
        for turn in range(passes * SLICES):
            both = [(limit, lambda: _pgbench(world, _LIMIT)), (ours, rate)]
            for rates, measure in both if turn % 2 else reversed(both):
                rates.append(measure())
    return Row(
        path,
        limit=f"{median(limit):,.0f}/s",
        ours=f"{median(ours):,.0f}/s",
        ratios=[mine / least for mine, least in zip(ours, limit, strict=True)],
        goal=goal,
    )


def run_apply(world: World, *, passes: int, events: int) -> list[Row]:
    """`discounts/apply` over HTTP on the hot promotion, beside a plain view on the same server."""
    _make_hot(world)
    port = free_port()
    floor = single.start_floor(port)
    ratios, plain, ours = [], 0.0, 0.0
    try:
        for turn in range(passes):
            bodies = [
                msgspec.json.encode(
                    {"campaign_id": HOT, "customer_id": 1 + number % USERS, "cart_value": "100"}
                )
                for number in range(turn, APPLIED + turn)
            ]
            plain = single.cpu_of(floor.pid, port, bodies)
            ours = single.cpu_of(
                world.instance.processes["web"].pid,
                world.instance.port,
                bodies,
                path="/api/v1/discounts/apply",
                key=SHOP,
            )
            ratios.append(plain / ours)
    finally:
        floor.terminate()
        floor.wait()
    return [
        Row(
            "CPU of discounts/apply (plain view / ours)",
            limit=f"{plain * 1e6:,.0f} us",
            ours=f"{ours * 1e6:,.0f} us",
            ratios=ratios,
            goal=0.06,  # five times the 120 requests/s of the open peers, at 10,000/s plain
        )
    ]


def run_keyed(world: World, *, passes: int, events: int) -> list[Row]:
    """32 clients apply on the hot promotion over HTTP, with an Idempotency-Key and without."""
    _make_hot(world)
    _crowd(world, keyed=False)  # once for the terms and the plans
    ratios, without, keyed = [], 0.0, 0.0
    slowest = 0.0
    for _ in range(passes):
        without, _ = _crowd(world, keyed=False)
        keyed, longest = _crowd(world, keyed=True)
        slowest = max(slowest, longest)
        ratios.append(keyed / without)
    return [
        Row(
            f"apply, {CLIENTS} clients (with a key / without)",
            limit=f"{without:,.0f}/s",
            ours=f"{keyed:,.0f}/s, {slowest * 1000:,.0f} ms",
            ratios=ratios,
            goal=0.5,
        )
    ]


def _crowd(world: World, *, keyed: bool) -> tuple[float, float]:
    """Requests a second that all clients together get answered, and the longest one's seconds."""
    start = threading.Barrier(CLIENTS + 1)
    longest: list[float] = []

    def shop(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", world.instance.port)
        headers = {"Authorization": f"Api-Key {SHOP}", "Content-Type": "application/json"}
        body = msgspec.json.encode(
            {"campaign_id": HOT, "customer_id": 1 + number, "cart_value": "100"}
        )
        slowest = 0.0
        start.wait()
        for _ in range(APPLIED // CLIENTS):
            if keyed:
                headers["Idempotency-Key"] = uuid.uuid4().hex
            began = time.perf_counter()
            connection.request("POST", "/api/v1/discounts/apply", body, headers)
            response = connection.getresponse()
            response.read()
            slowest = max(slowest, time.perf_counter() - began)
            if response.status != 201:
                raise RuntimeError(f"apply answered {response.status}")
        longest.append(slowest)
        connection.close()

    clients = [threading.Thread(target=shop, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    start.wait()
    began = time.perf_counter()
    for client in clients:
        client.join()
    if len(longest) < CLIENTS:
        raise RuntimeError("a client was refused")
    return APPLIED // CLIENTS * CLIENTS / (time.perf_counter() - began), max(longest)


def run_available(world: World, *, passes: int, events: int) -> list[Row]:
    """`discounts/available` over HTTP with 10, 1,000 and 10,000 active campaigns."""
    found: dict[int, list[float]] = {10: [], 1_000: [], 10_000: []}
    made = 0
    for count, seconds in found.items():
        world.instance.sql(_PROMOTION.format(first=1_000_001 + made, last=1_000_000 + count))
        made = count
        world.instance.sql("VACUUM ANALYZE")
        seconds += [_ask(world) for _ in range(passes)]
    few, many, most = (median(seconds) for seconds in found.values())
    return [
        Row(
            "available, 1,000 campaigns (10 / ours)",
            limit=f"{few * 1000:.1f} ms",
            ours=f"{many * 1000:.1f} ms",
            ratios=[a / b for a, b in zip(found[10], found[1_000], strict=True)],
            goal=0.5,
        ),
        Row(
            "available, 10,000 campaigns (50 ms / ours)",
            limit="50.0 ms",
            ours=f"{most * 1000:.1f} ms",
            ratios=[0.05 / seconds for seconds in found[10_000]],
            goal=1.0,
        ),
    ]


def _make_limit(world: World) -> None:
    if not world.instance.sql("SELECT to_regclass('bench_hot')")[0][0]:
        world.instance.sql(_LIMIT_TABLES)


def _make_hot(world: World) -> None:
    if not world.instance.sql(f"SELECT 1 FROM promotions_promotion WHERE id = {HOT}"):
        world.instance.sql(_PROMOTION.format(first=HOT, last=HOT))


def _pgbench(world: World, script: str) -> float:
    """Transactions a second of this script, once each session has its plans."""
    return pgbench.run(world, script, clients=CLIENTS, seconds=SECONDS, warm_up=WARM_UP).rate


def _ask(world: World) -> float:
    """Median seconds of the HTTP request, once each process has its catalogue."""
    seconds = []
    for number in range(READS + 10):
        started = time.perf_counter()
        status, _answer = world.instance.request(
            "POST",
            "/api/v1/discounts/available",
            {"customer_id": 1 + number, "cart_value": "100"},
            key=SHOP,
        )
        seconds.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"available answered {status}")
    return median(seconds[10:])
