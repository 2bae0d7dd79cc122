"""The sliding window: so many new events of one sender in any stretch of so many seconds.

A sender is a subscription, or a user and promotion where an event names none. One call for a whole
request takes the room before its events are stored; what turns out not to be new is given back. The
window is kept in Redis for all processes; while Redis is away each process counts alone.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from redis.exceptions import NoScriptError

from engagement.window.local import Log, Sender
from engagement.wire import Accepted, StoredEvent
from promopulse.lib import redis as fast_redis
from promopulse.lib.limits import Verdict

Events = dict[str, Accepted]  # by event id

_KEYS = "{pp:window}:"
_here = Log()


def sender_of(event: StoredEvent) -> Sender:
    """Whose window an event is in."""
    return event.s or f"{event.u}:{event.p}"


class _Room:
    __slots__ = ("enough", "left", "retry_after")

    def __init__(self, enough: bool, left: int, retry_after: int) -> None:
        self.enough = enough
        self.left = left
        self.retry_after = retry_after


class Window:
    """The windows of one request's events."""

    def __init__(self) -> None:
        self.limit: int = settings.INGEST_WINDOW_LIMIT
        self._milliseconds = settings.INGEST_WINDOW_SECONDS * 1000
        self._in_redis = True
        self._at = 0
        # Of the only sender of the last take, or of each that got too little.
        self._rooms: dict[Sender, _Room] = {}

    def take(self, events: Events) -> Events:
        """Take room for events, first come first served; those without leave `events`."""
        senders = [sender_of(one.event) for one in events.values()]
        wanted = Counter(senders) if len(senders) > 1 else {senders[0]: 1}
        self._rooms = {}
        self._at, *answer = self._ask_for(list(wanted), list(wanted.values()))
        if not answer:
            return {}
        names = list(wanted)
        short: dict[Sender, int] = {}
        for n in range(0, len(answer), 4):
            place, granted, left, wait = answer[n : n + 4]
            sender = names[place - 1]
            if granted < wanted[sender]:
                short[sender] = granted
            self._rooms[sender] = _Room(sender not in short, left, max(1, -(-wait // 1000)))
        return _over(events, short) if short else {}

    def give_back(self, events: Iterable[Accepted]) -> None:
        """Give back the room of events that were granted it by the last take."""
        counts = Counter([sender_of(one.event) for one in events])
        if not counts:
            return
        for sender, count in counts.items():
            if sender in self._rooms:
                self._rooms[sender].left += count
        given = (self._at, self._milliseconds, list(counts), list(counts.values()))
        if not self._in_redis:
            _here.give_back(*given)
            return
        with suppress(redis.RedisError):  # it leaves the window by itself
            _run("give_back", *given)

    def retry_after(self, event: StoredEvent) -> int:
        """Whole seconds until there is room again for a sender that got too little."""
        return self._rooms[sender_of(event)].retry_after

    def verdict(self) -> Verdict | None:
        """What is left for a request's only sender; None where nothing was asked for."""
        for room in self._rooms.values():
            return Verdict(room.enough, self.limit, room.left, room.retry_after)
        return None

    def _ask_for(self, senders: list[Sender], counts: list[int]) -> list[int]:
        self._in_redis = True
        try:
            answer: list[int] = _run("take", self.limit, self._milliseconds, senders, counts)
        except redis.RedisError:
            self._in_redis = False
            answer = _here.take(self.limit, self._milliseconds, senders, counts)
        return answer


def _over(events: Events, short: dict[Sender, int]) -> Events:
    """Take out of `events` what senders that got too little have beyond it."""
    over: Events = {}
    for event_id, one in list(events.items()):
        sender = sender_of(one.event)
        granted = short.get(sender)
        if granted:
            short[sender] = granted - 1
        elif granted is not None:
            over[event_id] = events.pop(event_id)
    return over


def forget_all() -> None:
    """Empty every window, here and in Redis."""
    _here.clear()
    for key in fast_redis.client().scan_iter(f"{_KEYS}*"):
        fast_redis.client().delete(key)


def _run(name: str, first: int, milliseconds: int, senders: list[Sender], counts: list[int]) -> Any:
    text, digest = _script(name)
    ones = len(counts) == sum(counts)
    arguments = (
        1,
        _key(milliseconds),
        first,
        milliseconds,
        len(senders),
        *senders,
        *(() if ones else counts),
    )
    try:
        return fast_redis.ask("EVALSHA", digest, *arguments)
    except NoScriptError:
        return fast_redis.ask("EVAL", text, *arguments)


def _key(milliseconds: int) -> str:
    return f"{_KEYS}{milliseconds}:"


@cache
def _script(name: str) -> tuple[str, str]:
    text = Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()
