"""Races for tests: threads that start together, each with its own database connection."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection

from promopulse.lib.errors import DomainError


def at_once(*calls: Callable[[], Any], times: int = 1) -> list[Any]:
    """Run the calls, each `times` times, in threads that start together; returns their results."""
    calls = calls * times
    barrier = threading.Barrier(len(calls))
    results: list[Any] = []

    def run(call: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            results.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at one moment; what each returned, or its refusal, in their order."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=10)
            return call()
        except DomainError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
