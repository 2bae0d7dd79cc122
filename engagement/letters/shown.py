"""A dead letter's event as people are shown it: in the words of the API, personal data masked.

Of metadata, which is whatever the sender put there: texts longer than 64 characters are cut short,
what looks like an e-mail or a phone number is masked in keys and values alike, and values under
keys that name personal data are hidden whole.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts import pii
from engagement.causes import WORDS
from promopulse.lib.money import money_text
from promopulse.lib.time import rfc3339

MAX_TEXT = 64
HIDDEN = "(hidden)"

_NAMES = {
    "i": "event_id",
    "t": "type",
    "s": "subscription_id",
    "u": "user_id",
    "p": "promotion_id",
    "o": "occurred_at",
    "a": "amount",
    "m": "metadata",
}

_PERSONAL = re.compile(
    r"mail|phone|mobile|address|street|postcode|birth|iban|passw|secret|token"
    r"|(?:^|first|last|full|given|family|user|customer|sur)[_ -]?name$",
    re.IGNORECASE,
)


def shown_event(payload: dict[str, Any], currency: str) -> dict[str, Any]:
    """The event as its sender wrote it, masked. `payload` has the inbox's short keys."""
    event = {name: payload[key] for key, name in _NAMES.items() if key in payload}
    event["occurred_at"] = rfc3339(datetime.fromisoformat(event["occurred_at"]))
    if "amount" in event:
        event["amount"] = money_text(Decimal(str(event["amount"])), currency)
    if "metadata" in event:
        event["metadata"] = masked(event["metadata"])
    return event


def event_text(payload: dict[str, Any], currency: str) -> str:
    """`shown_event` as a page shows it."""
    return json.dumps(shown_event(payload, currency), indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class Attempt:
    """One try that did not go well."""

    at: datetime
    cause: str
    detail: str

    @property
    def words(self) -> str:
        """The cause, as people call it."""
        return WORDS[self.cause]


def attempts(history: list[dict[str, str]]) -> list[Attempt]:
    """A letter's tries, the first one first."""
    return [
        Attempt(datetime.fromisoformat(one["at"]), one["cause"], one["detail"]) for one in history
    ]


def masked(value: Any) -> Any:
    """A JSON value without personal data that can be told as such."""
    if isinstance(value, dict):
        return {_text(key): _under(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return value
    return value if _text(str(value)) == str(value) else _text(str(value))


def _under(key: str, value: Any) -> Any:
    return HIDDEN if _PERSONAL.search(key) else masked(value)


def _text(text: str) -> str:
    shown = pii.mask_text(text)
    return shown if len(shown) <= MAX_TEXT else f"{shown[:MAX_TEXT]}..."
