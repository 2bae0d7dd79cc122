"""Reads of promotions across tables."""

from dataclasses import dataclass

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet

from accounts.models import AuditEntry
from promotions.errors import PromotionNotFound
from promotions.models import BudgetEntry, Promotion, PromotionQuerySet, PromotionTarget


@dataclass(frozen=True)
class Audience:
    """The ids a targeted promotion names, in order."""

    target_user_ids: list[int]
    target_pool_ids: list[int]


def audience_of(promotion: Promotion) -> Audience:
    pairs = list(promotion.targets.values_list("user_id", "pool_id"))
    return Audience(
        sorted(user for user, _ in pairs if user is not None),
        sorted(pool for _, pool in pairs if pool is not None),
    )


def _target_ids(column: str) -> ArraySubquery:
    targets = PromotionTarget.objects.filter(
        promotion_id=OuterRef("pk"), **{f"{column}__isnull": False}
    )
    return ArraySubquery(targets.order_by(column).values(column))


def readable(*, by_customer: int | None) -> PromotionQuerySet:
    """Promotions with all an answer needs, in one query: all for staff, for a customer those
    that are active and open to them."""
    promotions = Promotion.objects.select_related("budget")
    if by_customer is not None:
        return promotions.open_to(by_customer)
    return promotions.annotate(
        target_user_ids=_target_ids("user_id"), target_pool_ids=_target_ids("pool_id")
    )


def get_promotion(promotion_id: int, *, by_customer: int | None = None) -> Promotion:
    """One readable promotion. Raises PromotionNotFound, also for one that is not theirs to see."""
    promotion = readable(by_customer=by_customer).filter(pk=promotion_id).first()
    if promotion is None:
        raise PromotionNotFound()
    return promotion


def matching_name(words: str) -> Q:
    """Names with these words in any letter case, by the trigram index.

    One or two characters hold no trigram, so they are sought at the start of a word only.
    """
    if len(words) > 2:
        return Q(name__icontains=words)
    return Q(name__istartswith=words) | Q(name__icontains=f" {words}")


def history(promotion_id: int) -> "QuerySet[AuditEntry]":
    """What was done to a promotion."""
    return AuditEntry.objects.filter(object_type="promotion", object_id=promotion_id)


def ledger(promotion_id: int) -> "QuerySet[BudgetEntry]":
    """Every movement of a promotion's budget."""
    return BudgetEntry.objects.filter(budget__promotion_id=promotion_id).select_related(
        "budget__promotion"
    )
