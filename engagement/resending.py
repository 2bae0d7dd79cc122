"""A counted event as its sender wrote it: of all ways to write it the one with its digest."""

from itertools import product
from typing import Any

import msgspec

from engagement import wire
from engagement.models import Event, ProcessedEvent
from promopulse.lib.time import rfc3339

_BY_SUBSCRIPTION, _BY_PAIR = ("subscription_id",), ("user_id", "promotion_id")


def as_sent(event: Event) -> dict[str, Any]:
    """The body of a request that is answered `duplicate`: names and values of the API.

    Where none fits, as for grants that were told from within, the fullest one.
    """
    fixed = {"event_id": event.event_id, "type": event.type}
    if event.amount is not None:
        fixed["amount"] = f"{event.amount.normalize():f}"
    more = {"metadata": event.metadata} if event.metadata is not None else {}
    known = ProcessedEvent.objects.filter(pk=event.event_id).first()
    full: dict[str, Any] = {}
    ways = ((_BY_PAIR, _BY_SUBSCRIPTION, (*_BY_SUBSCRIPTION, *_BY_PAIR)), (True, False))
    for names, timed in product(*ways):
        whose = {name: getattr(event, name) for name in names}
        if None in whose.values():
            continue
        at = {"occurred_at": rfc3339(event.occurred_at)} if timed else {}
        sent = {**fixed, **whose, **at, **more}
        full = full or sent
        if known is not None and _digest(sent) == known.digest:
            return sent
    return full


def _digest(sent: dict[str, Any]) -> int:
    return wire.digest(msgspec.json.decode(msgspec.json.encode(sent), type=wire.EventIn))
