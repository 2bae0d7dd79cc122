"""How far an import is: a bar at a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from promopulse.lib.importing.reading import Source

_SECONDS_BETWEEN_LINES = 10.0

Told = Callable[[int], None]


@contextmanager
def shown(source: Source, say: Callable[[str], None]) -> Iterator[Told]:
    """Gives the function to call with the rows read so far."""
    if sys.stderr.isatty():
        with _bar(source) as told:
            yield told
    else:
        yield _lines(source, say)


@contextmanager
def _bar(source: Source) -> Iterator[Told]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(source.name, total=source.size, rows=0)

        def told(rows: int) -> None:
            bar.update(task, completed=source.position, rows=rows)

        yield told


def _lines(source: Source, say: Callable[[str], None]) -> Told:
    due = time.monotonic() + _SECONDS_BETWEEN_LINES

    def told(rows: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _SECONDS_BETWEEN_LINES
            part = f" ({100 * source.position // source.size} %)" if source.size else ""
            say(f"{source.name}: {rows:,} rows{part}")

    return told
