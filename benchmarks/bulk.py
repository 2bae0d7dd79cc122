"""Bulk ingest: authenticated HTTP, 500 events a request, until the stats show them all."""

import http.client
import threading
import time

from benchmarks import copyraw
from benchmarks.report import Row
from benchmarks.world import KEY, World, bodies

EVENTS_PER_REQUEST = 500
CONNECTIONS = 8


def run(world: World, *, passes: int, events: int) -> list[Row]:
    copyraw.prepare(world)
    # Plans, pools and pages are warm, and our tables hold as much as those of the limit.
    _through_http(
        world, bodies(world.events(copyraw.PRELOADED), EVENTS_PER_REQUEST), copyraw.PRELOADED
    )
    ratios, ours, limit = [], 0.0, 0.0
    for _ in range(passes):
        batch = world.events(events)
        ours = _through_http(world, bodies(batch, EVENTS_PER_REQUEST), events)
        limit = copyraw.run(world, batch)
        ratios.append(limit / ours)
    return [
        Row(
            "bulk ingest, HTTP to visible stats",
            limit=f"{events / limit:,.0f}/s",
            ours=f"{events / ours:,.0f}/s",
            ratios=ratios,
            goal=0.5,
        )
    ]


def _through_http(world: World, requests: list[bytes], events: int) -> float:
    """Seconds from the first request until every event is in the stats."""
    wanted = world.counted() + events
    started = time.perf_counter()
    send(world, requests)
    # Cheaper to ask than the stats, which are committed together with it.
    while world.waiting():
        time.sleep(0.01)
        if time.perf_counter() - started > 120:
            raise RuntimeError("the events were not counted in two minutes")
    seconds = time.perf_counter() - started
    if world.counted() != wanted:
        raise RuntimeError("the stats do not show the events")
    return seconds


def send(world: World, requests: list[bytes]) -> None:
    """Post the bodies on some connections at once. Raises RuntimeError unless all are accepted."""
    failures: list[int] = []

    def post(mine: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", world.instance.port)
        headers = {"Authorization": f"Api-Key {KEY}", "Content-Type": "application/json"}
        for body in mine:
            connection.request("POST", "/api/v1/events/ingest", body, headers)
            response = connection.getresponse()
            response.read()
            if response.status != 202:
                failures.append(response.status)
        connection.close()

    threads = [
        threading.Thread(target=post, args=(requests[number::CONNECTIONS],))
        for number in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} requests failed, first with {failures[0]}")
