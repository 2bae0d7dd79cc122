"""Shops that talk HTTP to a whole instance on this machine, as patient as a good client is."""

import http.client
import itertools
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from promopulse.tests.live import API_KEY, Instance

_numbers = itertools.count(1)
V1 = "/api/v1"


@dataclass(frozen=True)
class Answer:
    status: int
    content: bytes
    replayed: bool

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class Shop:
    """One client with a connection of its own; `slowest` is the longest it waited, in seconds."""

    instance: Instance
    slowest: float = 0.0
    statuses: list[int] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """Raises OSError or HTTPException where the server goes away."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", self.instance.port, timeout=30
            )
        headers = {"Authorization": f"Api-Key {API_KEY}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        began = time.perf_counter()
        try:
            self._connection.request("POST", f"{V1}/{path}", json.dumps(body or {}), headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self.slowest = max(self.slowest, time.perf_counter() - began)
        self.statuses.append(response.status)
        return Answer(response.status, content, response.getheader("Idempotent-Replayed") == "true")

    def insist(self, path: str, body: Any, *, key: str) -> Answer:
        """Send it under this key until it is answered, whatever happens to the server."""
        for _ in range(100):
            try:
                answer = self.post(path, body, key=key)
            except (OSError, http.client.HTTPException):
                pass
            else:
                if answer.status not in (409, 503) or b"in_progress" not in answer.content:
                    return answer
            time.sleep(0.1)
        raise AssertionError("nobody answers")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def campaign(shop: Shop, budget: str = "100.00", **terms: Any) -> int:
    """An active one: a flat 1.00 off the cart, as often as one likes."""
    wanted = {
        "name": "Live",
        "discount_type": "cart",
        "discount_flat": "1.00",
        "start_date": "2020-01-01T00:00:00Z",
        "end_date": "2090-01-01T00:00:00Z",
        "total_budget": budget,
        "max_usage_per_customer_per_day": 1_000_000,
    }
    return made(shop.post("campaigns", wanted | terms))


def customer(shop: Shop) -> int:
    number = f"{uuid.uuid4().hex}-{next(_numbers)}"
    return made(shop.post("customers", {"name": "Live", "email": f"{number}@example.com"}))


def made(answer: Answer) -> int:
    """The id of what was made."""
    assert answer.status == 201, answer.content
    return int(answer.json["id"])
