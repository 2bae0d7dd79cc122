"""One event a request: CPU of the web server, and the delay until the stats show it."""

import http.client
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import quantiles

import msgspec

from benchmarks.report import Row
from benchmarks.world import KEY, World
from promopulse.environment import PROJECT
from promopulse.tests.live import free_port, wait_for

CONNECTIONS = 4
RATE = 500  # events a second, for the delay
PATH = "/api/v1/events/ingest"


def run_cpu(world: World, *, passes: int, events: int) -> list[Row]:
    """CPU of the web processes per request, a plain view's to ours."""
    count = min(events, 5_000)
    ratios, ours, plain = [], 0.0, 0.0
    port = free_port()
    floor = start_floor(port)
    try:
        for _ in range(passes):
            requests = [msgspec.json.encode(event) for event in world.events(count)]
            plain = cpu_of(floor.pid, port, requests)
            ours = cpu_of(world.instance.processes["web"].pid, world.instance.port, requests)
            ratios.append(plain / ours)
    finally:
        floor.terminate()
        floor.wait()
    return [
        Row(
            "CPU of a single ingest (plain view / ours)",
            limit=f"{plain * 1e6:,.0f} us",
            ours=f"{ours * 1e6:,.0f} us",
            ratios=ratios,
            goal=0.3,
        )
    ]


def start_floor(port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"]
    command += ["--port", str(port), "--workers", "2", "--blocking-threads", "8"]
    command += ["--log-level", "error", "benchmarks.floor:application"]
    floor = subprocess.Popen(command, cwd=PROJECT)

    def answers() -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("POST", PATH, b"{}")
            return connection.getresponse().status == 202
        except OSError:
            return False

    wait_for(answers, 20, "the plain view does not answer")
    return floor


def cpu_of(
    pid: int, port: int, requests: list[bytes], *, path: str = PATH, key: str = KEY
) -> float:
    """CPU seconds a request of a process and its children."""
    warm = len(requests) // 10
    _post_all(port, requests[:warm], path=path, key=key)
    requests = requests[warm:]
    before = _cpu_seconds(pid)
    _post_all(port, requests, path=path, key=key)
    return (_cpu_seconds(pid) - before) / len(requests)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(_cpu_seconds(int(child)) for child in children)


def _post_all(
    port: int, requests: list[bytes], rate: float = 0.0, *, path: str = PATH, key: str = KEY
) -> None:
    threads = [
        threading.Thread(target=_post, args=(port, requests[number::CONNECTIONS], rate, path, key))
        for number in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _post(port: int, requests: list[bytes], rate: float, path: str, key: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Api-Key {key}", "Content-Type": "application/json"}
    started = time.perf_counter()
    for number, body in enumerate(requests):
        if rate:
            wait = started + number * CONNECTIONS / rate - time.perf_counter()
            time.sleep(max(0.0, wait))
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        if response.status not in (200, 201, 202):
            raise RuntimeError(f"answered {response.status}")
    connection.close()


def run_delay(world: World, *, passes: int, events: int) -> list[Row]:
    """From a request's arrival to the end of its processing, 500 a second for 12 s."""
    ratios, p99, p50 = [], 0.0, 0.0
    for _ in range(passes):
        first = world.instance.sql("SELECT coalesce(max(id), 0) FROM engagement_ingestbatch")[0][0]
        requests = [msgspec.json.encode(event) for event in world.events(RATE * 12)]
        _post_all(world.instance.port, requests, rate=RATE)
        wait_for(lambda: world.instance.waiting() == 0, 30, "events are still waiting")
        delays = [
            float(row[0])
            for row in world.instance.sql(
                "SELECT extract(epoch FROM processed_at - received_at) "
                f"FROM engagement_ingestbatch WHERE id > {first}"
            )
        ]
        cuts = quantiles(delays, n=100)
        p50, p99 = cuts[49], cuts[98]
        ratios.append(0.1 / p99)
    return [
        Row(
            "delay at 500 events/s, p99 (100 ms / ours)",
            limit="100 ms",
            ours=f"{p99 * 1000:.0f} ms (p50 {p50 * 1000:.0f})",
            ratios=ratios,
            goal=1.0,
        )
    ]
