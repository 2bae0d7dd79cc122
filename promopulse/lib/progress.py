"""How far a long command is: a bar at a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from promopulse.lib.words import plural

_SECONDS_BETWEEN_LINES = 10.0

Told = Callable[[int], None]


class Measured(Protocol):
    """What is walked through: of which size, if that is known, and where we are in it."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    @property
    def position(self) -> int: ...


@dataclass
class Walk:
    """A walk through a table: its size is the last id, the position the id we are at."""

    name: str
    size: int | None
    position: int = 0


@contextmanager
def shown(walk: Measured, say: Callable[[str], None]) -> Iterator[Told]:
    """Gives the function to call with the rows done so far."""
    if sys.stderr.isatty():
        with _bar(walk) as told:
            yield told
    else:
        yield _lines(walk, say)


@contextmanager
def _bar(walk: Measured) -> Iterator[Told]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(walk.name, total=walk.size, rows=0)

        def told(rows: int) -> None:
            bar.update(task, completed=walk.position, rows=rows)

        yield told


def _lines(walk: Measured, say: Callable[[str], None]) -> Told:
    due = time.monotonic() + _SECONDS_BETWEEN_LINES

    def told(rows: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _SECONDS_BETWEEN_LINES
            part = f" ({100 * walk.position // walk.size} %)" if walk.size else ""
            say(f"{walk.name}: {plural(rows, 'row')}{part}")

    return told
