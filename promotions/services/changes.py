"""How every change of a promotion begins and ends.

Lock order: the promotion's row, then its targets, then its budget.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts import audit
from promopulse.lib import time
from promopulse.lib.errors import VersionConflict
from promotions.errors import PromotionNotFound
from promotions.models import Promotion


def locked(promotion_id: int, *, expected_version: int | None = None) -> Promotion:
    """The promotion, held against other writers until the transaction ends.

    Rows that only point at it (subscriptions, events) are not held up: `no_key`.
    Raises PromotionNotFound, or VersionConflict where it has moved on from `expected_version`.
    """
    promotion = Promotion.objects.select_for_update(no_key=True).filter(pk=promotion_id).first()
    if promotion is None:
        raise PromotionNotFound()
    if expected_version not in (None, promotion.version):
        raise VersionConflict(expected=expected_version, present=promotion.version)
    return promotion


def commit(
    promotion: Promotion,
    action: str,
    *,
    columns: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    at: datetime | None = None,
) -> None:
    """Store new values of `columns`, raise the version, leave an audit entry.

    `before` and `after` are what changed beside the columns. The row must be locked.
    """
    columns = columns or {}
    old = {name: getattr(promotion, name) for name in columns} | dict(before or {})
    new = dict(columns) | dict(after or {})
    for name, value in columns.items():
        setattr(promotion, name, value)
    promotion.version += 1
    promotion.updated_at = at or time.db_now()
    promotion.save(update_fields=[*columns, "version", "updated_at"])
    audit.record(action, promotion, before=old, after=new, reason=reason)
