"""The window of one process alone, for the time Redis is away: what take.lua does, in Python."""

import threading
import time
from bisect import bisect_left

# A subscription's id, or "user:promotion".
Sender = int | str
_Span = dict[Sender, list[int]]


class Log:
    """When each sender's events came, in this span of time and in the one before.

    What is over is dropped a span at a time, so that it cannot grow for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._number = 0
        self._current: _Span = {}
        self._previous: _Span = {}

    def take(self, limit: int, window: int, senders: list[Sender], counts: list[int]) -> list[int]:
        """The answer of take.lua. Times are in ms of this process's own clock."""
        with self._lock:
            now = time.monotonic_ns() // 1_000_000
            self._turn(now, window)
            answer = [now]
            for place, (sender, want) in enumerate(zip(senders, counts, strict=True), start=1):
                here = self._current.setdefault(sender, [])
                before = self._previous.get(sender, [])
                # One that is exactly a window old still counts.
                alive = before[bisect_left(before, now - window) :] + here
                granted = max(0, min(want, limit - len(alive)))
                here += [now] * granted
                alive += [now] * granted
                if len(senders) == 1 or granted < want:
                    leave = max(1, len(alive) - limit + 1)
                    wait = window
                    if leave <= len(alive):
                        wait = alive[leave - 1] + window - now + 1
                    answer += [place, granted, max(0, limit - len(alive)), wait]
            return answer

    def give_back(self, at: int, window: int, senders: list[Sender], counts: list[int]) -> None:
        """Take back what a take at `at` was granted."""
        with self._lock:
            for span in (self._current, self._previous):
                for sender, count in zip(senders, counts, strict=True):
                    stamps = span.get(sender, [])
                    for _ in range(min(count, stamps.count(at))):
                        stamps.remove(at)

    def _turn(self, now: int, window: int) -> None:
        number = now // window
        if number != self._number:
            gone = number != self._number + 1
            self._previous = {} if gone else self._current
            self._current, self._number = {}, number
