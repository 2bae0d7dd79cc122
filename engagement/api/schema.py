"""The ingest route's OpenAPI entry: a plain view has none of its own.

A postprocessing hook of drf-spectacular.
"""

from typing import Any

from accounts.api.schema import problem_response
from engagement.models import EventType
from engagement.wire import MAX_EVENTS

PATH = "/api/v1/events/ingest"

_EXAMPLE = {
    "event_id": "5f3c9f6e-7f0a-4b52-9f43-1d8a5f0f7a11",
    "type": "CLICK",
    "user_id": 7,
    "promotion_id": 3,
    "occurred_at": "2026-06-01T12:00:00Z",
    "metadata": {"placement": "home"},
}


def add_ingest(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Add the route and its shapes to a generated schema."""
    result["paths"][PATH] = {"post": _operation()}
    result["paths"] = dict(sorted(result["paths"].items()))
    schemas = result["components"]["schemas"]
    schemas["EventIn"] = _event_schema()
    schemas["EventsIn"] = {
        "type": "object",
        "required": ["events"],
        "additionalProperties": False,
        "properties": {
            "events": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_EVENTS,
                "items": {"$ref": "#/components/schemas/EventIn"},
            }
        },
    }
    schemas["IngestStatus"] = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string", "enum": ["accepted", "duplicate"]}},
    }
    schemas["IngestOutcome"] = _outcome_schema()
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result


def _operation() -> dict[str, Any]:
    one_or_many = {
        "oneOf": [
            {"$ref": "#/components/schemas/IngestStatus"},
            {"$ref": "#/components/schemas/IngestOutcome"},
        ]
    }
    answer = {"application/json": {"schema": one_or_many}}
    problems = {str(status): problem_response(status) for status in _PROBLEMS}
    return {
        "operationId": "events_ingest",
        "summary": "Send engagement events",
        "description": (
            "One event, many in `events`, or one per line. 202 means that the event is on disk "
            "and will be counted exactly once; the event id is its idempotency key. One bad event "
            "never sinks the rest of a batch."
        ),
        "tags": ["events"],
        "security": [{"Bearer": []}, {"ApiKey": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "oneOf": [
                            {"$ref": "#/components/schemas/EventIn"},
                            {"$ref": "#/components/schemas/EventsIn"},
                        ]
                    },
                    "examples": {
                        "One": {"value": _EXAMPLE},
                        "Many": {"value": {"events": [_EXAMPLE]}},
                    },
                },
                "application/x-ndjson": {
                    "schema": {"type": "string", "description": "One event a line."}
                },
            },
        },
        "responses": {
            "200": {"description": "Nothing was new.", "content": answer},
            "202": {"description": "Accepted.", "content": answer},
            **problems,
        },
    }


_PROBLEMS = (400, 401, 403, 405, 409, 413, 415, 422, 429, 503)


def _event_schema() -> dict[str, Any]:
    identifier = {"type": "integer", "format": "int64", "minimum": 1, "nullable": True}
    return {
        "type": "object",
        "description": "An engagement event as a client sends it.",
        "required": ["event_id", "type"],
        "additionalProperties": False,
        "properties": {
            "event_id": {
                "type": "string",
                "minLength": 1,
                "maxLength": 128,
                "description": "A UUID in any spelling, or characters of A-Z a-z 0-9 . _ : -",
            },
            "type": {"type": "string", "enum": EventType.values},
            "subscription_id": {
                **identifier,
                "description": "This, or user_id and promotion_id.",
            },
            "user_id": identifier,
            "promotion_id": identifier,
            "occurred_at": {
                "type": "string",
                "format": "date-time",
                "nullable": True,
                "description": "With its offset; now when left out, at most 5 minutes ahead.",
            },
            "amount": {
                "type": "string",
                "format": "decimal",
                "nullable": True,
                "description": "Not negative, at most 3 decimals; a number is accepted too.",
            },
            "metadata": {
                "type": "object",
                "nullable": True,
                "additionalProperties": {},
                "description": "At most 4 KiB; numbers within the range of a double.",
            },
        },
    }


def _outcome_schema() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "required": ["batch_id", "accepted", "duplicates", "rejected"],
        "properties": {
            "batch_id": {
                "type": "integer",
                "format": "int64",
                "nullable": True,
                "description": "Null when nothing was new.",
            },
            "accepted": count,
            "duplicates": count,
            "rejected": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["index", "event_id", "code", "detail"],
                    "properties": {
                        "index": count,
                        "event_id": {"type": "string", "nullable": True},
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    }
