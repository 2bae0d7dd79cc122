"""A backlog of ten times the events of a pass: drained at a steady rate with flat memory."""

import os
import time
from pathlib import Path

from benchmarks.bulk import EVENTS_PER_REQUEST, send
from benchmarks.report import Row
from benchmarks.world import World, bodies

SHARES = 10
CHUNK = 50_000
SECONDS = 900.0


def run(world: World, *, passes: int, events: int) -> list[Row]:
    """One pass, whatever `passes` says: it is long enough to judge its beginning by its end."""
    total = events * SHARES
    # The worker has imported, prepared and allocated what it will before the first look at it.
    send(world, bodies(world.events(CHUNK), EVENTS_PER_REQUEST))
    _wait(world, 0)
    world.instance.stop("worker")
    before = world.counted()
    for _ in range(0, total, CHUNK):
        send(world, bodies(world.events(CHUNK), EVENTS_PER_REQUEST))
    world.instance.start("worker")
    seen, memory = [], []
    for share in range(SHARES + 1):
        _wait(world, before + max(1, share * total // SHARES))
        seen.append((world.counted(), time.perf_counter()))
        memory.append(_resident(world.instance.processes["worker"].pid))
    first, last = _rate(*seen[:2]), _rate(*seen[-2:])
    return [
        Row(
            f"backlog of {total:,}, last tenth / first",
            limit=f"{first:,.0f}/s",
            ours=f"{last:,.0f}/s",
            ratios=[last / first],
            goal=0.9,
        ),
        Row(
            "memory of the worker, first tenth / last",
            limit=f"{memory[1]:,.0f} MiB",
            ours=f"{memory[-1]:,.0f} MiB",
            ratios=[memory[1] / memory[-1]],
            goal=0.9,
        ),
    ]


def _rate(before: tuple[int, float], after: tuple[int, float]) -> float:
    """Events a second between two looks at the stats."""
    return (after[0] - before[0]) / (after[1] - before[1])


def _wait(world: World, counted: int) -> None:
    """Until so many events are in the stats; 0: until nothing waits."""
    give_up = time.perf_counter() + SECONDS
    while world.counted() < counted if counted else world.instance.waiting():
        if time.perf_counter() > give_up:
            raise RuntimeError("the backlog was not drained")
        time.sleep(0.05)


def _resident(pid: int) -> float:
    """MiB in memory of a process and its children."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(_resident(int(one)) for one in children)
