"""Events as clients send them, and a way to ingest and process some."""

import itertools
from typing import Any

import msgspec

from engagement import ingest, processing

_numbers = itertools.count(1)


def event(**fields: Any) -> dict[str, Any]:
    """One event with an id of its own; give it a subscription_id, or user_id and promotion_id."""
    return {"event_id": f"e-{next(_numbers)}", "type": "VIEW", **fields}


def send(*events: dict[str, Any]) -> ingest.Outcome:
    """Ingest these events as one request."""
    return ingest.ingest_body(msgspec.json.encode({"events": list(events)}), ndjson=False)


def send_and_process(*events: dict[str, Any]) -> ingest.Outcome:
    outcome = send(*events)
    processing.drain()
    return outcome
