"""Promotions: what runs when, for whom, and with how much money."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Upper

from accounts.models import Pool, PoolMembership, User
from promopulse.lib import money
from promopulse.lib.triggers import no_truncate, numbered_by_trigger
from promotions import states, triggers
from promotions.states import EffectiveStatus, Status

SOURCE_ID_ONCE = "promotions_promotion_source_id_once"


def effectively(wanted: str, at: datetime | Now) -> Q:
    """Whether the effective status at `at` is `wanted`; the SQL twin of states.py."""
    exhausted = Q(budget__isnull=False) & Q(
        budget__total__lte=F("budget__reserved") + F("budget__spent")
    )
    open_now = Q(status=Status.ACTIVE, paused_at=None, start_at__lte=at, end_at__gt=at)
    conditions = {
        EffectiveStatus.DRAFT: Q(status=Status.DRAFT),
        EffectiveStatus.ENDED: Q(status=Status.ENDED),
        EffectiveStatus.EXPIRED: Q(status=Status.ACTIVE, end_at__lte=at),
        EffectiveStatus.PAUSED: Q(status=Status.ACTIVE, paused_at__isnull=False, end_at__gt=at),
        EffectiveStatus.SCHEDULED: Q(
            status=Status.ACTIVE, paused_at=None, start_at__gt=at, end_at__gt=at
        ),
        EffectiveStatus.BUDGET_EXHAUSTED: open_now & exhausted,
        EffectiveStatus.RUNNING: open_now & ~exhausted,
    }
    return conditions[EffectiveStatus(wanted)]


class PromotionQuerySet(models.QuerySet["Promotion"]):
    def effectively(self, wanted: str, at: datetime | Now) -> "PromotionQuerySet":
        """Promotions whose effective status at `at` is `wanted`."""
        return self.filter(effectively(wanted, at))

    def open_to(self, user_id: int) -> "PromotionQuerySet":
        """Active promotions this user may see: untargeted, or aimed at them or a pool of theirs."""
        targets = PromotionTarget.objects.filter(promotion_id=models.OuterRef("pk"))
        pools = PoolMembership.objects.filter(user_id=user_id).values("pool_id")
        return self.filter(
            # Two questions, each answered by an index; one with OR would walk every membership.
            Q(is_targeted=False)
            | models.Exists(targets.filter(user_id=user_id))
            | models.Exists(targets.filter(pool_id__in=pools)),
            status=Status.ACTIVE,
        )


class Promotion(models.Model):
    """One campaign: window, zone, audience, lifecycle.

    `status` moves draft -> active -> ended and never back; a pause is a brake beside it. The
    window is half open: `start_at <= t < end_at`.
    """

    name = models.CharField(max_length=255, validators=[MinLengthValidator(1)])
    description = models.TextField(blank=True)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    timezone = models.CharField(
        max_length=64, default="UTC", help_text="IANA zone; a daily limit's day is local to it."
    )
    currency = models.CharField(max_length=3, default=money.DEFAULT_CURRENCY)
    is_targeted = models.BooleanField(
        default=False, help_text="Only the users and pools named as its audience may take part."
    )
    status = models.CharField(
        max_length=6, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    pause_reason = models.CharField(max_length=500, blank=True, editable=False)
    source_id = models.CharField(
        max_length=128, null=True, blank=True, help_text="The client's own id."
    )
    metadata = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Rises with every change; tells two editors apart."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PromotionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="promotions_promotion_window", condition=Q(end_at__gt=F("start_at"))
            ),
            models.UniqueConstraint(fields=["source_id"], name=SOURCE_ID_ONCE),
            models.CheckConstraint(name="promotions_promotion_named", condition=~Q(name="")),
            models.CheckConstraint(
                name="promotions_promotion_currency_is_code",
                condition=Q(currency__regex="^[A-Z]{3}$"),
            ),
            models.CheckConstraint(
                name="promotions_promotion_status_known", condition=Q(status__in=Status.values)
            ),
            models.CheckConstraint(
                name="promotions_promotion_stamps_agree",
                condition=Q(status=Status.DRAFT, activated_at=None, ended_at=None)
                | Q(status=Status.ACTIVE, activated_at__isnull=False, ended_at=None)
                | Q(status=Status.ENDED, activated_at__isnull=False, ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="promotions_promotion_pause_agrees",
                condition=Q(paused_at__isnull=True, pause_reason="")
                | (Q(paused_at__isnull=False) & ~Q(status=Status.DRAFT)),
            ),
        ]
        indexes = [
            models.Index(fields=["status", "start_at"], name="promotions_status_start"),
            models.Index(fields=["status", "end_at"], name="promotions_status_end"),
            # The orders a list can be asked for.
            models.Index(fields=["start_at", "id"], name="promotions_start"),
            models.Index(fields=["end_at", "id"], name="promotions_end"),
            models.Index(fields=["name", "id"], name="promotions_name"),
            models.Index(fields=["created_at", "id"], name="promotions_created"),
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="promotions_name_trgm"),
        ]
        triggers = [
            triggers.lifecycle,
            triggers.only_drafts_are_deleted,
            triggers.currency_fits_budget,
            triggers.edition_follows,
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def budget_left(self) -> Decimal | None:
        """Money not yet promised, None when unlimited."""
        budget: Any = getattr(self, "budget", None)
        return budget.left if budget else None

    def effective_status(self, at: datetime) -> EffectiveStatus:
        return states.effective_status(
            status=self.status,
            paused=self.paused_at is not None,
            start_at=self.start_at,
            end_at=self.end_at,
            budget_left=self.budget_left(),
            at=at,
        )


class Edition(models.Model):
    """One row at most: which edition of the active promotions this is.

    `number` is a new one with every change of an active promotion that a cache of their terms would
    miss: activated, paused, resumed, renamed, ended. The rest of them is fixed by then.
    """

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    number = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(name="promotions_edition_one_row", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.number)


class PromotionTarget(models.Model):
    """One part of a targeted promotion's audience: a user or a pool. Fixed once active."""

    promotion = models.ForeignKey(Promotion, on_delete=models.CASCADE, related_name="targets")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT)
    pool = models.ForeignKey(Pool, null=True, blank=True, on_delete=models.PROTECT)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="promotions_promotiontarget_one_kind",
                condition=Q(user__isnull=False, pool__isnull=True)
                | Q(user__isnull=True, pool__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["promotion", "user"], name="promotions_promotiontarget_user_once"
            ),
            models.UniqueConstraint(
                fields=["promotion", "pool"], name="promotions_promotiontarget_pool_once"
            ),
        ]
        triggers = [triggers.audience_of_drafts, no_truncate()]

    def __str__(self) -> str:
        return f"user {self.user_id}" if self.user_id else f"pool {self.pool_id}"


class Budget(models.Model):
    """Money a promotion may give away. No row means unlimited.

    Moved only by inserting a BudgetEntry: a trigger carries the entry over and refuses any other
    write, a check refuses whatever would pass the total.
    """

    promotion = models.OneToOneField(Promotion, on_delete=models.CASCADE, related_name="budget")
    total = money.MoneyField(default=Decimal(0), editable=False)
    reserved = money.MoneyField(default=Decimal(0), editable=False)
    spent = money.MoneyField(default=Decimal(0), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="promotions_budget_never_over",
                condition=Q(reserved__gte=0, spent__gte=0)
                & Q(total__gte=F("reserved") + F("spent")),
            )
        ]
        triggers = [
            triggers.budget_starts_empty,
            triggers.counters_follow_ledger,
            triggers.budget_of_drafts,
            triggers.budget_goes_with_its_ledger,
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"Budget of promotion {self.promotion_id}"

    @property
    def used(self) -> Decimal:
        """Money that is spent or promised."""
        return self.reserved + self.spent

    @property
    def left(self) -> Decimal:
        return self.total - self.used


class BudgetEntry(models.Model):
    """One movement of a budget; append-only. The sum of the entries is the budget.

    Only a fund may be negative: a draft's total can be lowered. Every other entry is written by the
    trigger of the row it is for, `subject_id`: a reserve or release by a reservation, a capture by
    a redemption, a reverse by a reversal.
    """

    class Kind(models.TextChoices):
        FUND = "fund"
        RESERVE = "reserve"
        CAPTURE = "capture"
        RELEASE = "release"
        REVERSE = "reverse"

    id = numbered_by_trigger()
    # The trigger finds the budget, or there is no entry.
    budget = models.ForeignKey(
        Budget,
        on_delete=models.CASCADE,
        related_name="entries",
        db_index=False,
        db_constraint=False,
    )
    kind = models.CharField(max_length=7, choices=Kind.choices)
    amount = money.MoneyField()
    was_reserved = models.BooleanField(
        db_default=False, help_text="A capture of money that was reserved before."
    )
    subject_id = models.BigIntegerField(null=True, help_text="The row this money moved for.")
    reason = models.CharField(max_length=500, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "budget entries"
        indexes = [models.Index(fields=["budget", "id"], name="promotions_budgetentry_page")]
        triggers = [
            triggers.money_comes_with_its_row,
            triggers.ledger_moves_budget,
            triggers.ledger_is_kept,
            triggers.ledger_goes_with_its_budget,
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"
