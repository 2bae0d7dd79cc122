"""Rows that somebody brings for a job to take, some a step.

They wait in the database, encrypted: web and workers may be on different machines, and no log or
dump shows what was pasted. What a step takes goes in the step's own transaction, so no row is taken
twice, and none is left once the job is done. Rows that were left out when it was asked for wait
beside them, for who wants to see which, until a week after its end.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from accounts.models import Job, JobInput

# So many rows are done at once: by a request, and by one step of a job. More are a job's. About a
# second's work of the slowest kind.
AT_ONCE = 2_000
# What nobody may pass: every kind has a lower limit of its own.
MOST_ROWS, MOST_BYTES = 100_000, 16 * 1024 * 1024
# As many rows as may be brought in one request, each with its verdict and the sentence of it.
MOST_BYTES_LEFT_OUT = 48 * 1024 * 1024


def is_large(count: int) -> bool:
    """Whether so many rows are a job's, rather than done within the request."""
    return count > AT_ONCE


def keep(job: Job, rows: Sequence[Any], *, is_left_out: bool = False) -> None:
    """Store the rows of a new job, as many a piece as a step takes."""
    pieces = [
        msgspec.json.encode(rows[start : start + AT_ONCE]).decode()
        for start in range(0, len(rows), AT_ONCE)
    ]
    most = MOST_BYTES_LEFT_OUT if is_left_out else MOST_BYTES
    if len(rows) > MOST_ROWS or sum(map(len, pieces)) > most:
        raise ValueError("no kind of job takes so much")
    JobInput.objects.bulk_create(
        [
            JobInput(job=job, is_left_out=is_left_out, number=number, rows=rows)
            for number, rows in enumerate(pieces)
        ],
        batch_size=10,
    )


def take(job: Job) -> list[Any]:
    """The next rows, gone with the caller's transaction; none when all are taken."""
    piece = JobInput.objects.filter(job=job, is_left_out=False).order_by("number").first()
    if piece is None:
        return []
    piece.delete()
    rows: list[Any] = msgspec.json.decode(piece.rows)
    return rows


def is_more(job: Job) -> bool:
    return JobInput.objects.filter(job=job, is_left_out=False).exists()


def has_left_out(job: Job) -> bool:
    return JobInput.objects.filter(job=job, is_left_out=True).exists()


def left_out(job: Job) -> Iterator[Any]:
    """The rows that were left out, in the order in which they were brought."""
    for piece in JobInput.objects.filter(job=job, is_left_out=True).order_by("number").iterator(1):
        yield from msgspec.json.decode(piece.rows)
