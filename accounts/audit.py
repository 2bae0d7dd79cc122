"""The audit trail: one call from every service that changes something."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Model

from accounts.models import AuditEntry
from promopulse.lib import context
from promopulse.lib.time import rfc3339

# Named when they change, never shown.
PERSONAL_FIELDS = frozenset({"name", "email", "phone", "source_id", "password", "metadata"})
HIDDEN = "(hidden)"


def record(
    action: str,
    obj: Model,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write who did `action` to `obj`, in the caller's transaction.

    `before` and `after` hold only what changed. Personal fields of a user keep their names only.
    """
    entry = _entry(action, obj, before or {}, after or {}, reason)
    entry.save(force_insert=True)
    return entry


def record_each(action: str, objs: Sequence[Model], *, after: Mapping[str, Any]) -> None:
    """`record` the same for many objects of one kind, in one statement."""
    if not objs:
        return
    entry = _entry(action, objs[0], {}, after, "")
    columns = {
        str(field.column): field.get_db_prep_save(getattr(entry, field.attname), connection)
        for field in AuditEntry._meta.concrete_fields
        if not field.primary_key and field.name not in ("at", "object_id")
    }
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO accounts_auditentry (at, object_id, {names}) "
            f"SELECT clock_timestamp(), pk, {marks} FROM unnest(%s::bigint[]) pk",
            [*columns.values(), [obj.pk for obj in objs]],
        )


def _entry(
    action: str, obj: Model, before: Mapping[str, Any], after: Mapping[str, Any], reason: str
) -> AuditEntry:
    actor = context.actor.get()
    personal = obj._meta.label_lower == "accounts.user"
    return AuditEntry(
        actor_user_id=actor.user_id,
        actor_api_key_id=actor.api_key_id,
        via=actor.via,
        action=action,
        object_type=obj._meta.model_name or "",
        object_id=obj.pk,
        before=_storable(before, personal),
        after=_storable(after, personal),
        reason=reason,
        request_id=context.request_id.get(),
    )


def _storable(values: Mapping[str, Any], personal: bool) -> dict[str, Any]:
    return {
        name: HIDDEN if personal and name in PERSONAL_FIELDS else _json_value(value)
        for name, value in values.items()
    }


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value) if isinstance(value, Decimal) else value
