"""The instance that is measured: its own durable servers, filled with people and promotions."""

import random
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import psycopg

from promopulse.tests.live import Instance

# Without events:bulk, so that the sliding window is part of what is measured.
KEY = "pp_bench0000000_" + "k" * 43
READER = "pp_reader000000_" + "k" * 43
SHOP = "pp_shop00000000_" + "k" * 43

USERS = 10_000
PROMOTIONS = 200
HOURS = 24

_FILL = f"""
INSERT INTO accounts_user (id, name, source_id, role, metadata, is_active, may_reveal,
        token_version, created_at, password)
    SELECT n, 'bench', 'bench:' || n, 'customer', '{{}}', true, false, 0, now(), ''
    FROM generate_series(1, {USERS}) n;
INSERT INTO promotions_promotion (id, name, description, start_at, end_at, timezone, currency,
        is_targeted, status, activated_at, pause_reason, metadata, version, created_at, updated_at)
    SELECT n, 'bench', '', now() - interval '90 days', now() + interval '90 days', 'UTC', 'USD',
        false, 'active', now(), '', '{{}}', 1, now(), now()
    FROM generate_series(1, {PROMOTIONS}) n;
"""


class World:
    """A running instance and the events to send to it. Hot promotions follow a Pareto curve."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="promopulse-bench-")
        self._random = random.Random(20260601)

    def __enter__(self) -> "World":
        self.instance = Instance(Path(self._folder.name))
        # Everything is on; the window is taken, but never full.
        self.instance.env |= {
            "LOG_LEVEL": "WARNING",
            "RATE_LIMITS": "on",
            "RATE_LIMIT_API_KEY": "6000000/minute",
        }
        self.instance.env["INGEST_WINDOW_LIMIT"] = "1000"
        self.instance.manage("migrate")
        self.instance.make_key(KEY, "events:write")
        self.instance.make_key(READER, "read")
        self.instance.make_key(SHOP, "discounts:apply")
        self.instance.sql(_FILL)
        self._subscribe()
        self.instance.sql("VACUUM ANALYZE")
        # A new connection for each look would cost the server more than the look.
        self._connection = psycopg.connect(self.instance.env["DATABASE_URL"], autocommit=True)
        for name in ("web", "worker", "beat"):
            self.instance.start(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        self.instance.close()
        self._folder.cleanup()

    def _subscribe(self) -> None:
        self.promotion_of = {
            user: min(PROMOTIONS, int(self._random.paretovariate(1.0)))
            for user in range(1, USERS + 1)
        }
        values = ",".join(
            f"({user},{user},{promotion},true,now(),'{{}}')"
            for user, promotion in self.promotion_of.items()
        )
        self.instance.sql(
            "INSERT INTO subscriptions_subscription "
            f"(id, user_id, promotion_id, is_active, subscribed_at, metadata) VALUES {values}"
        )

    def events(self, count: int) -> list[dict[str, Any]]:
        """Events of the last day, each by one of the subscriptions."""
        now = datetime.now(UTC)
        pick = self._random
        return [
            {
                "event_id": str(uuid.UUID(int=pick.getrandbits(128), version=4)),
                "type": pick.choice(("VIEW", "VIEW", "VIEW", "CLICK", "REDEEM")),
                "subscription_id": pick.randint(1, USERS),
                "occurred_at": (
                    now - timedelta(seconds=pick.randint(0, HOURS * 3_600 - 1))
                ).isoformat(timespec="seconds"),
            }
            for _ in range(count)
        ]

    @contextmanager
    def without_autovacuum(self) -> Iterator[None]:
        """Tables are vacuumed and written out now, and not meanwhile: a vacuum takes longer than a
        slice, and would fall on one side by chance.
        """
        self.instance.sql("VACUUM ANALYZE")
        self.instance.sql("CHECKPOINT")
        self._set("autovacuum = off")
        try:
            yield
        finally:
            self._set("autovacuum = on")

    def _set(self, setting: str) -> None:
        self.instance.sql(f"ALTER SYSTEM SET {setting}")
        self.instance.sql("SELECT pg_reload_conf()")

    def waiting(self) -> bool:
        """Whether any request's events are still to be counted."""
        found = self._connection.execute(
            "SELECT EXISTS (SELECT FROM engagement_ingestbatch WHERE processed_at IS NULL)"
        ).fetchone()
        return bool(found and found[0])

    def counted(self) -> int:
        """Events in the visible stats."""
        found = self._connection.execute(
            "SELECT coalesce(sum(events), 0) FROM engagement_eventstat"
        ).fetchone()
        return int(found[0]) if found else 0


def bodies(events: list[dict[str, Any]], size: int) -> list[bytes]:
    """Request bodies of `size` events each."""
    return [
        msgspec.json.encode({"events": events[start : start + size]})
        for start in range(0, len(events), size)
    ]
