"""Promotions made, edited, copied and dropped."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts import audit
from promopulse.lib import money
from promopulse.lib.errors import Invalid
from promopulse.lib.problems import constraint_of
from promotions import rules, selectors
from promotions.errors import FieldLocked, PromotionInUse, PromotionNotFound
from promotions.models import SOURCE_ID_ONCE, Budget, Promotion
from promotions.services.audience import copy_targets, set_targets
from promotions.services.budget import fund
from promotions.services.changes import commit, locked
from promotions.states import Status, locked_fields
from promotions.triggers import CURRENCY_FITS

_COPY_SUFFIX = " (copy)"


def create_promotion(
    *,
    name: str,
    start_at: datetime,
    end_at: datetime,
    description: str = "",
    timezone: str = "UTC",
    currency: str = money.DEFAULT_CURRENCY,
    is_targeted: bool | None = None,
    target_user_ids: Iterable[int] = (),
    target_pool_ids: Iterable[int] = (),
    source_id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Promotion:
    """Make a draft. Naming an audience makes it targeted unless `is_targeted` is given.

    Raises Invalid (naming the field; unknown users and pools are listed) or InvalidTimeRange.
    """
    values = rules.clean(
        {
            "name": name,
            "description": description,
            "start_at": start_at,
            "end_at": end_at,
            "timezone": timezone,
            "currency": currency,
            "target_user_ids": target_user_ids,
            "target_pool_ids": target_pool_ids,
            "source_id": source_id,
            "metadata": {} if metadata is None else metadata,
        }
        | ({} if is_targeted is None else {"is_targeted": is_targeted})
    )
    rules.imply_targeting(values)
    values.setdefault("is_targeted", False)
    rules.check_whole(values)
    with transaction.atomic():
        promotion = _insert(values)
        set_targets(promotion, {}, values)
        audit.record("promotion.create", promotion, after=values)
        return promotion


def update_promotion(
    promotion_id: int,
    *,
    changes: Mapping[str, Any],
    expected_version: int | None = None,
    reason: str = "",
) -> Promotion:
    """Change some fields; one sent with its stored value is no edit, and no edit leaves no trace.

    Raises PromotionNotFound, VersionConflict (the row has moved on from `expected_version`),
    FieldLocked (then nothing is changed), Invalid or InvalidTimeRange.
    """
    wanted = rules.clean(changes)
    with transaction.atomic():
        promotion = locked(promotion_id, expected_version=expected_version)
        stored = _values(promotion)
        if not stored["is_targeted"]:
            rules.imply_targeting(wanted)
        changed = rules.differing(stored, wanted)
        if forbidden := locked_fields(promotion.status, set(changed)):
            raise FieldLocked(forbidden, promotion.status)
        if not changed:
            return promotion
        rules.check_whole(stored | changed)
        set_targets(promotion, stored, changed)
        _save(promotion, stored, changed, reason)
        return promotion


def delete_promotion(promotion_id: int, *, reason: str = "") -> None:
    """Drop a draft with its audience and budget. Raises PromotionNotFound or PromotionInUse."""
    reason = rules.text("reason", reason, rules.MAX_REASON)
    with transaction.atomic():
        # The whole lock: rows that point at it must wait, and then find it gone.
        promotion = Promotion.objects.select_for_update().filter(pk=promotion_id).first()
        if promotion is None:
            raise PromotionNotFound()
        if promotion.status != Status.DRAFT:
            raise PromotionInUse(status=str(promotion.status))
        audit.record("promotion.delete", promotion, before=_values(promotion), reason=reason)
        try:
            promotion.delete()
        except ProtectedError:
            raise PromotionInUse("The promotion is that of a coupon book.") from None


def duplicate(promotion_id: int, *, reason: str = "") -> Promotion:
    """A draft with the same window, audience and budget total, nothing used yet.

    The client's own id stays with the original. Raises PromotionNotFound.
    """
    reason = rules.text("reason", reason, rules.MAX_REASON)
    with transaction.atomic():
        # Held so that the copy is of one moment.
        original = locked(promotion_id)
        values = _values(original) | {"source_id": None}
        room = rules.MAX_NAME - len(_COPY_SUFFIX)
        values["name"] = original.name[:room].rstrip() + _COPY_SUFFIX
        copy = _insert(values)
        copy_targets(original, copy)
        after = values | {"duplicate_of": original.pk}
        if budget := Budget.objects.filter(promotion=original).first():
            fresh = Budget.objects.create(promotion=copy)
            if budget.total:
                fund(fresh, budget.total, f"as promotion {original.pk}")
            after["budget_total"] = money.money_text(budget.total, copy.currency)
        audit.record("promotion.duplicate", copy, after=after, reason=reason)
        return copy


def _values(promotion: Promotion) -> dict[str, Any]:
    """Everything of a promotion that people give it."""
    audience = selectors.audience_of(promotion)
    return {
        "name": promotion.name,
        "description": promotion.description,
        "start_at": promotion.start_at,
        "end_at": promotion.end_at,
        "timezone": promotion.timezone,
        "currency": promotion.currency,
        "is_targeted": promotion.is_targeted,
        "target_user_ids": audience.target_user_ids,
        "target_pool_ids": audience.target_pool_ids,
        "source_id": promotion.source_id,
        "metadata": promotion.metadata,
    }


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in rules.AUDIENCE}


def _insert(values: Mapping[str, Any]) -> Promotion:
    with _naming_fields():
        return Promotion.objects.create(**_columns(values))


def _save(
    promotion: Promotion, stored: Mapping[str, Any], changed: Mapping[str, Any], reason: str
) -> None:
    audience = {name for name in changed if name in rules.AUDIENCE}
    with _naming_fields():
        commit(
            promotion,
            "promotion.update",
            columns=_columns(changed),
            before={name: stored[name] for name in audience},
            after={name: changed[name] for name in audience},
            reason=rules.text("reason", reason, rules.MAX_REASON),
        )


_REFUSED_BY_DATABASE = {
    # Two that bring one source_id at once: the second is told so.
    SOURCE_ID_ONCE: ("source_id", "Another promotion has this id.", "unique"),
    CURRENCY_FITS: (
        "currency", "An amount of it has more decimals than this currency.", "max_decimal_places"
    ),
}  # fmt: skip


@contextmanager
def _naming_fields() -> Iterator[None]:
    """What only the database knows is told by the field's name."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        refusal = _REFUSED_BY_DATABASE.get(constraint_of(error))
        if refusal is None:
            raise
        raise Invalid(*refusal) from None
