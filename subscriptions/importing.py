"""Opt-ins out of a file, set-wise: one copy into a scratch table, one judgement, one insert.

Which row is the truth: the subscription; which statement decides: its insert, ON CONFLICT DO
NOTHING, so that a pair that exists stays as it is. Locks: the promotions, shared, by id; then the
rows inserted, by pair. One transaction holds all of it: a crash leaves nothing behind.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.db import connection

from accounts import audit
from accounts.importing import user_ids
from promopulse.lib.errors import REASONS, DomainError, Invalid
from promopulse.lib.importing.columns import Columns, as_flag, as_time, check_metadata
from promopulse.lib.importing.ids import Ids
from promopulse.lib.importing.reading import Row
from promopulse.lib.importing.reporting import Report
from promopulse.lib.time import db_now
from promotions.importing import promotion_ids
from promotions.models import Promotion

FIELDS = {"user_id", "promotion_id", "subscribed_at", "deactivated_at", "is_active"}
ALIASES = {"customer_id": "user_id"}

_SCRATCH = """
CREATE TEMPORARY TABLE imported (
    line integer, user_id bigint, promotion_id bigint,
    subscribed_at timestamptz, deactivated_at timestamptz, metadata jsonb
) ON COMMIT DROP
"""
_COPY = """
COPY imported (line, user_id, promotion_id, subscribed_at, deactivated_at, metadata) FROM STDIN
"""
_HOLD = """
SELECT id FROM promotions_promotion WHERE id IN (SELECT promotion_id FROM imported)
ORDER BY id FOR SHARE
"""
# Each opt-in is judged by its own time. Of a pause only the present one is known.
_JUDGE = """
CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
SELECT imported.*, CASE
    WHEN person.id IS NULL THEN 'user'
    WHEN promotion.id IS NULL THEN 'promotion'
    WHEN promotion.status = 'draft' THEN 'promotion_not_active'
    WHEN subscribed_at >= promotion.ended_at THEN 'promotion_ended'
    WHEN subscribed_at >= promotion.end_at THEN 'promotion_expired'
    WHEN subscribed_at >= promotion.paused_at THEN 'promotion_paused'
    WHEN promotion.is_targeted AND NOT EXISTS (
        SELECT FROM promotions_promotiontarget target
        LEFT JOIN accounts_poolmembership member
            ON member.pool_id = target.pool_id AND member.user_id = imported.user_id
        WHERE target.promotion_id = promotion.id
            AND (target.user_id = imported.user_id OR member.user_id IS NOT NULL)
    ) THEN 'not_targeted'
END AS refusal
FROM imported
LEFT JOIN accounts_user person ON person.id = imported.user_id AND person.erased_at IS NULL
LEFT JOIN promotions_promotion promotion ON promotion.id = imported.promotion_id
"""
_REFUSED = "SELECT line, refusal FROM judged WHERE refusal IS NOT NULL ORDER BY line"
_INSERT = """
WITH inserted AS (
    INSERT INTO subscriptions_subscription
        (user_id, promotion_id, is_active, subscribed_at, deactivated_at, metadata)
    SELECT DISTINCT ON (user_id, promotion_id)
        user_id, promotion_id, deactivated_at IS NULL, subscribed_at, deactivated_at, metadata
    FROM judged WHERE refusal IS NULL ORDER BY user_id, promotion_id, line
    ON CONFLICT (user_id, promotion_id) DO NOTHING
    RETURNING promotion_id
)
SELECT promotion_id, count(*) FROM inserted GROUP BY promotion_id ORDER BY promotion_id
"""


class SubscriptionImporter:
    """Rows name users and promotions by our ids or, under `source`, by the file's own.

    Works in the caller's transaction, from the first `take` to the end of `finish`.
    """

    def __init__(self, report: Report, *, source: str | None, renames: Mapping[str, str]) -> None:
        self._report = report
        self._columns = Columns(FIELDS, renames, ALIASES)
        report.speak_of(self._columns)
        self._users = Ids("user_id", source, fetch=user_ids)
        self._promotions = Ids("promotion_id", source, fetch=promotion_ids)
        self._now = db_now()
        self._good = 0
        with connection.cursor() as cursor:
            cursor.execute(_SCRATCH)

    def take(self, rows: list[Row]) -> None:
        split = []
        for row in rows:
            try:
                split.append((row.line, *self._columns.split(row.values)))
            except DomainError as refusal:
                self._report.refused(row.line, refusal)
        self._users.prepare(fields.get("user_id") for _, fields, _ in split)
        self._promotions.prepare(fields.get("promotion_id") for _, fields, _ in split)
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for line, fields, metadata in split:
                try:
                    copy.write_row((line, *self._record(fields, metadata)))
                    self._good += 1
                except DomainError as refusal:
                    self._report.refused(line, refusal)

    def finish(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE imported")
            cursor.execute(_HOLD)
            cursor.execute(_JUDGE)
            cursor.execute(_REFUSED)
            refused = cursor.fetchall()
            cursor.execute(_INSERT)
            created = dict(cursor.fetchall())
            cursor.execute("DROP TABLE imported, judged")
        for line, refusal in refused:
            self._report.bad(line, *_told(refusal))
        self._report.count("created", sum(created.values()))
        self._report.count("unchanged", self._good - len(refused) - sum(created.values()))
        for promotion in Promotion.objects.filter(pk__in=created).order_by("pk"):
            audit.record(
                "promotion.import_subscriptions",
                promotion,
                after={"subscriptions": created[promotion.pk]},
            )

    def close(self) -> None:
        """The scratch tables end with the transaction."""

    def _record(self, fields: dict[str, Any], metadata: dict[str, Any]) -> tuple[Any, ...]:
        """A row of the scratch table. Raises Invalid."""
        user_id = self._users.of(fields.get("user_id"))
        promotion_id = self._promotions.of(fields.get("promotion_id"))
        subscribed_at, deactivated_at = (
            as_time(name, fields[name]) if name in fields else None
            for name in ("subscribed_at", "deactivated_at")
        )
        subscribed_at = subscribed_at or self._now
        if subscribed_at > self._now:
            raise Invalid("subscribed_at", "This is in the future.", "in_the_future")
        if deactivated_at and not subscribed_at <= deactivated_at <= self._now:
            raise Invalid("deactivated_at", "This is in the future or before subscribed_at.")
        if "is_active" in fields and as_flag("is_active", fields["is_active"]) == bool(
            deactivated_at
        ):
            raise Invalid("is_active", "This does not agree with deactivated_at.")
        text = msgspec.json.encode(check_metadata(metadata)).decode()
        return user_id, promotion_id, subscribed_at, deactivated_at, text


def _told(refusal: str) -> tuple[str, str]:
    if refusal in ("user", "promotion"):
        return "not_found", f"{refusal.capitalize()} not found"
    return refusal, REASONS[refusal].title
