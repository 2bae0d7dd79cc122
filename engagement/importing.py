"""Events out of a file: ids resolved, the rest to metadata, handed over in batches.

The rows keep their own times and ids, so a second import finds every event counted.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import msgspec
from django.db.models import Max, Sum

from accounts.importing import make_users, user_ids
from engagement import processing
from engagement.ingest import Outcome
from engagement.models import IngestBatch
from promopulse.lib.errors import DomainError
from promopulse.lib.importing.columns import Columns, as_id
from promopulse.lib.importing.command import Broken
from promopulse.lib.importing.ids import Ids
from promopulse.lib.importing.reading import Row
from promopulse.lib.importing.reporting import Report
from promopulse.lib.words import plural
from promotions.importing import promotion_ids

FIELDS = {
    "event_id",
    "type",
    "subscription_id",
    "user_id",
    "promotion_id",
    "occurred_at",
    "amount",
}
ALIASES = {"customer_id": "user_id"}
# What the header of a processed batch says of its events, in the words of a report.
OUTCOMES = {
    "counted": "processed",
    "counted_before": "duplicates",
    "conflicts": "conflicts",
    "retrying": "retrying",
    "dead": "dead",
}
_STALLED_SECONDS = 30.0
_LOOK_SECONDS = 0.1

_encode = msgspec.json.Encoder().encode_lines


# Sees to it that the inbox rows up to this one are counted, or raises Broken.
Settle = Callable[[int], None]


class Sender(Protocol):
    """Hands an NDJSON body over; called by `parallel` threads at once."""

    parallel: int

    def __call__(self, body: bytes) -> Outcome:
        """Raises Broken."""

    def close(self) -> None:
        """Stop being patient: nobody waits for an answer any more."""


class EventImporter:
    """Rows name users and promotions by our ids or, under `source`, by the file's own.

    With `settle` the end tells what became of the accepted events, too.
    """

    def __init__(
        self,
        report: Report,
        send: Sender,
        *,
        source: str | None,
        renames: Mapping[str, str],
        create_users: bool = False,
        settle: Settle | None = None,
    ) -> None:
        self._report = report
        self._send = send
        self._settle = settle
        self._columns = Columns(FIELDS, renames, ALIASES)
        report.speak_of(self._columns)
        make = make_users if create_users else None
        self._users = Ids("user_id", source, fetch=user_ids, make=make)
        self._promotions = Ids("promotion_id", source, fetch=promotion_ids)
        self._batches: list[int] = []
        self._repeats = False
        self._under_way: deque[tuple[Future[Outcome], list[int]]] = deque()
        self._threads = ThreadPoolExecutor(send.parallel)

    def take(self, rows: list[Row]) -> None:
        split = []
        for row in rows:
            try:
                split.append((row.line, *self._columns.split(row.values)))
            except DomainError as refusal:
                self._report.refused(row.line, refusal)
        made = self._users.made
        self._users.prepare(fields.get("user_id") for _, fields, _ in split)
        self._report.count("users_created", self._users.made - made)
        self._promotions.prepare(fields.get("promotion_id") for _, fields, _ in split)
        lines, events = [], []
        for line, fields, metadata in split:
            try:
                events.append(self._event(fields, metadata))
                lines.append(line)
            except DomainError as refusal:
                self._report.refused(line, refusal)
        if events:
            self._hand_over(_encode(events), lines)

    def finish(self) -> None:
        self._tell(0)
        self.close()
        if self._settle is not None:
            # Repeats may be of a run that was cut off, and wait: then all there is.
            last = newest_batch() if self._repeats else max(self._batches, default=0)
            if last:
                self._settle(last)
            for name, count in settled(self._batches).items():
                self._report.count(name, count)

    def close(self) -> None:
        self._send.close()
        self._threads.shutdown(cancel_futures=True)
        # After trouble: what the others were told meanwhile happened all the same.
        for answer, lines in self._under_way:
            if not answer.cancelled() and answer.exception() is None:
                self._count(answer.result(), lines)
        self._under_way.clear()

    def _event(self, fields: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
        """An event as ingest takes it, which checks what is not checked here. Raises Invalid."""
        if "user_id" in fields:
            fields["user_id"] = self._users.of(fields["user_id"])
        if "promotion_id" in fields:
            fields["promotion_id"] = self._promotions.of(fields["promotion_id"])
        if "subscription_id" in fields:
            fields["subscription_id"] = as_id("subscription_id", fields["subscription_id"])
        if type(fields.get("event_id")) is int:
            fields["event_id"] = str(fields["event_id"])
        if metadata:
            fields["metadata"] = metadata
        return fields

    def _hand_over(self, body: bytes, lines: list[int]) -> None:
        if self._send.parallel == 1:
            self._count(self._send(body), lines)
            return
        # One body waits for each that is being sent: enough to keep the server busy.
        self._tell(2 * self._send.parallel - 1)
        self._under_way.append((self._threads.submit(self._send, body), lines))

    def _tell(self, left: int) -> None:
        """Count the answers, oldest first, until at most so many bodies are under way."""
        while len(self._under_way) > left:
            answer, lines = self._under_way.popleft()
            self._count(answer.result(), lines)

    def _count(self, outcome: Outcome, lines: list[int]) -> None:
        self._report.count("accepted", outcome.accepted)
        self._report.count("duplicates", outcome.duplicates)
        self._repeats = self._repeats or outcome.duplicates > 0
        for rejected in outcome.rejected:
            self._report.bad(lines[rejected.index], rejected.code, rejected.detail)
        if outcome.batch_id is not None:
            self._batches.append(outcome.batch_id)


def settled(batches: list[int]) -> dict[str, int]:
    """What became of the events of these inbox rows, in the words of a report."""
    sums = IngestBatch.objects.filter(pk__in=batches).aggregate(
        **{name: Sum(column, default=0) for name, column in OUTCOMES.items()}
    )
    return {name: sums[name] for name in OUTCOMES}


def newest_batch() -> int:
    """The inbox row that came last; 0 without any."""
    return IngestBatch.objects.aggregate(last=Max("pk", default=0))["last"]


def count_here(last: int) -> None:
    """Process the inbox up to this row in this process: no worker is needed, one beside us does no
    harm."""
    while _waiting(last):
        processing.drain()


def wait_for_workers(last: int) -> None:
    """Wait until the workers have counted the inbox up to this row. Raises Broken when nothing
    moves any more."""
    seen, deadline = -1, 0.0
    while left := _waiting(last):
        if left != seen:
            seen, deadline = left, time.monotonic() + _STALLED_SECONDS
        elif time.monotonic() > deadline:
            told = plural(left, "batch", "batches")
            raise Broken(f"{told} accepted but not counted: is a worker running?")
        time.sleep(_LOOK_SECONDS)


def _waiting(last: int) -> int:
    """How many inbox rows wait, up to this one."""
    return IngestBatch.objects.filter(processed_at=None, origin="api", pk__lte=last).count()
