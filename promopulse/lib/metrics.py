"""Counters of all processes together, for Prometheus.

Each process counts in files of its own under PROMETHEUS_MULTIPROC_DIR, which the launcher sets for
web, worker and beat; a scrape adds up the files. Without that folder a process counts for itself.
A process holds a lock on a file as long as it lives. The next one to start adds what ended ones
have counted to one file and removes theirs, so that nothing is lost and nothing piles up.
"""

import fcntl
import os
import secrets
from bisect import bisect_left
from collections import Counter as Totals
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import prometheus_client
from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
FOLDER = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
_KINDS = ("counter", "histogram")
_ENDED = "ended"

registry = CollectorRegistry()


class Histogram(prometheus_client.Histogram):
    """One that also takes many observations at once."""

    def observe_many(self, observed: Iterable[tuple[float, int]]) -> None:
        """Count each amount as often as its number says."""
        total, buckets = 0.0, Totals[int]()
        for amount, times in observed:
            total += amount * times
            buckets[bisect_left(self._upper_bounds, amount)] += times
        self._sum.inc(total)
        for bucket, times in buckets.items():
            self._buckets[bucket].inc(times)


def counter(name: str, words: str, *labels: str) -> prometheus_client.Counter:
    return prometheus_client.Counter(name, words, labels, registry=registry)


def histogram(name: str, words: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(name, words, labels, buckets=buckets, registry=registry)


def exposition(*others: Collector) -> bytes:
    """What all processes have counted, and what the other collectors find, as Prometheus text."""
    counted = registry
    if FOLDER:
        counted = CollectorRegistry()
        counted.register(_Processes())
    found = CollectorRegistry()
    for collector in others:
        found.register(collector)
    return generate_latest(counted) + generate_latest(found)


class _Processes(Collector):
    def collect(self) -> Iterable[Any]:
        with _folder_locked(fcntl.LOCK_SH):
            # A process that was killed as it began may have left an empty file.
            files = [str(file) for file in Path(FOLDER).glob("*.db") if file.stat().st_size]
            return MultiProcessCollector.merge(files)


_name = ""
_lock: IO[bytes] | None = None


def _name_of_this_process() -> str:
    """Part of the names of its files. Process ids are no names: containers share a folder."""
    return _name or _begin()


def _begin() -> str:
    global _name, _lock
    with _folder_locked(fcntl.LOCK_EX):
        _fold_ended()
        name = secrets.token_hex(8)
        _lock = (Path(FOLDER) / f"{name}.lock").open("wb")
        fcntl.flock(_lock, fcntl.LOCK_EX)
        _name = name
    return name


def _forked() -> None:
    """A child counts in files of its own, and must not keep its parent's lock alive."""
    global _name, _lock
    if _lock is not None:
        _lock.close()
    _name, _lock = "", None


@contextmanager
def _folder_locked(how: int) -> Iterator[None]:
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    with (Path(FOLDER) / "folder.lock").open("ab") as lock:
        fcntl.flock(lock, how)
        yield


def _fold_ended() -> None:
    folder = Path(FOLDER)
    locks = [file for file in folder.glob("*.lock") if file.stem != "folder" and _is_free(file)]
    for kind in _KINDS:
        files = [folder / f"{kind}_{lock.stem}.db" for lock in locks]
        files = [file for file in files if file.exists()]
        if files:
            _add_up(files, folder / f"{kind}_{_ENDED}.db")
    for lock in locks:
        lock.unlink()


def _is_free(lock: Path) -> bool:
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _add_up(files: list[Path], total: Path) -> None:
    totals = Totals[str]()
    for file in (*files, total):
        if file.exists() and file.stat().st_size:
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)):
                totals[key] += value
    fresh = total.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))
    for key, value in totals.items():
        written.write_value(key, value, 0.0)
    written.close()
    fresh.replace(total)
    for file in files:
        file.unlink()


if FOLDER:
    values.ValueClass = values.MultiProcessValue(_name_of_this_process)
    os.register_at_fork(after_in_child=_forked)
