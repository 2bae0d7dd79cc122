"""Whom a draft is aimed at: users and pools, named by id."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet

from accounts.models import Pool, User
from promopulse.lib.errors import Invalid
from promotions.models import Promotion, PromotionTarget


def set_targets(promotion: Promotion, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Make the audience what `wanted` says, where it says anything.

    Both hold `target_user_ids` and `target_pool_ids`. Raises Invalid, listing unknown ids.
    """
    targets = promotion.targets
    for field, column, known in (
        ("target_user_ids", "user_id", User.objects.filter(erased_at=None)),
        ("target_pool_ids", "pool_id", Pool.objects.all()),
    ):
        if field not in wanted:
            continue
        old, new = set(stored.get(field, ())), set(wanted[field])
        added = sorted(new - old)
        _must_be_known(field, added, known)
        if gone := old - new:
            targets.filter(**{f"{column}__in": gone}).delete()
        PromotionTarget.objects.bulk_create(
            PromotionTarget(promotion=promotion, **{column: target}) for target in added
        )


def copy_targets(original: Promotion, copy: Promotion) -> None:
    PromotionTarget.objects.bulk_create(
        PromotionTarget(promotion=copy, user_id=target.user_id, pool_id=target.pool_id)
        for target in original.targets.order_by("pk")
    )


def _must_be_known(field: str, ids: Iterable[int], known: "QuerySet[Any]") -> None:
    ids = list(ids)
    found = set(known.filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    if unknown := [one for one in ids if one not in found]:
        raise Invalid(field, f"Unknown: {', '.join(map(str, unknown))}.", "unknown")
