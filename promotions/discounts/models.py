"""Discounts: what a promotion gives, and everything that was given.

A reservation, a redemption and a reversal are each made by inserting their row. Its triggers judge
it by the database's clock, take or give back the day and the money, and write the ledger: nothing
else moves either.
"""

from decimal import Decimal

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from accounts.models import User
from promopulse.lib import money
from promopulse.lib.triggers import append_only, no_truncate, numbered_by_trigger
from promotions.discounts import triggers
from promotions.models import Promotion


class DiscountType(models.TextChoices):
    """What is made cheaper."""

    CART = "cart"
    DELIVERY = "delivery"


class Discount(models.Model):
    """What a promotion gives: a share of the value or a flat amount, exactly one of the two.

    Fixed once its promotion is active. Amounts are in the promotion's currency.
    """

    promotion = models.OneToOneField(Promotion, on_delete=models.CASCADE, related_name="discount")
    discount_type = models.CharField(max_length=8, choices=DiscountType.choices)
    discount_percentage = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Of the value, 0.01 to 100.",
    )
    discount_flat = money.MoneyField(null=True, blank=True)
    min_cart_value = money.MoneyField(
        default=Decimal(0), help_text="Compared with the cart's value for both types."
    )
    max_discount_amount = money.MoneyField(
        null=True, blank=True, help_text="The most one redemption gives."
    )
    max_usage_per_customer_per_day = models.PositiveIntegerField(
        default=1, help_text="A day is the promotion's local day."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="discounts_discount_type_known",
                condition=Q(discount_type__in=DiscountType.values),
            ),
            models.CheckConstraint(
                name="discounts_discount_one_kind",
                condition=Q(discount_percentage__isnull=True) ^ Q(discount_flat__isnull=True),
            ),
            models.CheckConstraint(
                name="discounts_discount_percentage",
                condition=Q(discount_percentage__gt=0, discount_percentage__lte=100)
                | Q(discount_percentage=None),
            ),
            models.CheckConstraint(
                name="discounts_discount_amounts",
                condition=(Q(discount_flat__gt=0) | Q(discount_flat=None))
                & (Q(max_discount_amount__gt=0) | Q(max_discount_amount=None))
                & Q(min_cart_value__gte=0),
            ),
            models.CheckConstraint(
                name="discounts_discount_daily",
                condition=Q(max_usage_per_customer_per_day__gte=1),
            ),
        ]
        triggers = [triggers.discount_of_drafts, no_truncate()]

    def __str__(self) -> str:
        return f"Discount of promotion {self.promotion_id}"


class DailyUse(models.Model):
    """How often a user took a promotion's discount on one of its local days.

    Counts open reservations and redemptions that are not wholly reversed, and follows them by
    trigger. `most` is the discount's limit, so the check below is the limit.
    """

    pk = models.CompositePrimaryKey("promotion_id", "user_id", "day")
    # Written by triggers that have found both rows, on a path too hot to ask again.
    promotion = models.ForeignKey(
        Promotion,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    user = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    day = models.DateField()
    # Checked together, once: a check is parsed anew for every row.
    used = models.IntegerField()
    most = models.IntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="discounts_dailyuse_within_limit",
                condition=Q(used__gte=0, used__lte=F("most")),
            )
        ]
        triggers = [triggers.days_follow_uses, no_truncate()]

    def __str__(self) -> str:
        return f"{self.used} of {self.most} on {self.day}"


class LimitedBy(models.TextChoices):
    """Which of the caps made the amount smaller than what was computed."""

    NOTHING = ""
    CAP = "cap"
    VALUE = "value"
    BUDGET = "budget"


class Granted(models.Model):
    """What reservations and redemptions share: for whom, from which cart, how much.

    Inserted with promotion, user, currency and cart; the trigger sets the rest: `original_amount`
    (the value being discounted), `wanted` (the price before the budget), `amount` (what the budget
    had of it), `limited_by`, and `local_day` (the promotion's day that is used up).
    """

    id = numbered_by_trigger()
    # The trigger looks both up; key checks would lock rows that others are waiting for. Neither a
    # user nor an active promotion is ever deleted, so nobody has to look here for what is left.
    promotion = models.ForeignKey(
        Promotion,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    user = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    currency = models.CharField(max_length=3)
    cart_value = money.MoneyField()
    delivery_charge = money.MoneyField(default=Decimal(0))
    original_amount = money.MoneyField()
    wanted = money.MoneyField()
    amount = money.MoneyField()
    limited_by = models.CharField(max_length=6, blank=True, choices=LimitedBy.choices)
    local_day = models.DateField()

    class Meta:
        abstract = True

    @property
    def final_amount(self) -> Decimal:
        """What is left to pay of the value that was discounted."""
        return self.original_amount - self.amount


MAX_TTL = 86_400  # seconds
MAX_ORDER_ID = 128


class ReservationState(models.TextChoices):
    """Stored. An open one past its `expires_at` reads as expired; a sweep only tidies."""

    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


class Reservation(Granted):
    """Money and one use of a day, held for a while; captured, released or expired, once."""

    state = models.CharField(
        max_length=8, choices=ReservationState.choices, default=ReservationState.OPEN
    )
    ttl_seconds = models.PositiveIntegerField(help_text="How long it holds, 1 to 86400.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="discounts_reservation_state_known",
                condition=Q(state__in=ReservationState.values),
            ),
            models.CheckConstraint(
                name="discounts_reservation_closed_iff_timed",
                condition=Q(state="open", closed_at=None)
                | ~Q(state="open") & Q(closed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="discounts_reservation_lasts", condition=Q(ttl_seconds__range=(1, MAX_TTL))
            ),
        ]
        indexes = [
            models.Index(
                fields=["promotion", "expires_at"],
                condition=Q(state="open"),
                name="discounts_reservation_open",
            ),
            models.Index(fields=["user", "id"], name="discounts_reservation_user"),
        ]
        triggers = [
            triggers.reservation_takes,
            triggers.reservation_in_ledger,
            triggers.reservation_moves,
            triggers.kept(),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"reservation {self.pk}"


class Redemption(Granted):
    """A discount granted. Only `reversed` changes, and only by a Reversal."""

    # The trigger locks it, or there is no redemption.
    reservation = models.ForeignKey(
        Reservation,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    order_id = models.CharField(
        max_length=MAX_ORDER_ID, null=True, help_text="The client's own order."
    )
    reversed = money.MoneyField(db_default=Decimal(0), help_text="The sum of its reversals.")
    granted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="discounts_redemption_reversed",
                condition=Q(reversed__gte=0, reversed__lte=F("amount")),
            ),
            models.UniqueConstraint(
                fields=["reservation"],
                condition=Q(reservation__isnull=False),
                name="discounts_redemption_reservation_once",
            ),
            # For ever: a reversal does not free the order's id.
            models.UniqueConstraint(
                fields=["promotion", "order_id"],
                condition=Q(order_id__isnull=False),
                name="order_already_redeemed",
            ),
        ]
        indexes = [
            models.Index(fields=["promotion", "id"], name="discounts_redemption_promotion"),
            models.Index(fields=["user", "id"], name="discounts_redemption_user"),
            # Rows come in the order of their times: small, and next to nothing for an insert.
            BrinIndex(
                fields=["granted_at"], autosummarize=True, name="discounts_redemption_granted"
            ),
        ]
        triggers = [
            triggers.redemption_takes,
            triggers.redemption_stays,
            triggers.kept(),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"redemption {self.pk}"

    @property
    def left(self) -> Decimal:
        """What a reversal can still give back."""
        return self.amount - self.reversed


class Reversal(models.Model):
    """Part or all of a redemption given back; append-only. No amount means all that is left.

    The money returns to the budget; the day's use does when nothing of the redemption is left.
    """

    id = numbered_by_trigger()
    redemption = models.ForeignKey(Redemption, on_delete=models.PROTECT, related_name="reversals")
    amount = money.MoneyField()
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="discounts_reversal_amount", condition=Q(amount__gt=0))
        ]
        triggers = [triggers.reversal_gives_back, *append_only()]

    def __str__(self) -> str:
        return f"reversal {self.pk}"


class GrantOutbox(models.Model):
    """A redemption that engagement has not yet taken over as its REDEEM event.

    Written by the redemption's trigger, deleted in the transaction that accepts the event.
    """

    redemption = models.OneToOneField(
        Redemption,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="+",
        db_constraint=False,  # written by that very row's trigger
    )

    class Meta:
        verbose_name_plural = "grant outbox"

    def __str__(self) -> str:
        return f"grant of redemption {self.pk}"


class RefusalCount(models.Model):
    """How often a promotion's discount was refused for one reason on one day (UTC).

    Of the processes' memories: see `refused`. About right, and no ledger.
    """

    pk = models.CompositePrimaryKey("promotion_id", "day", "code")
    promotion_id = models.BigIntegerField()  # deleting a draft need not look here
    day = models.DateField()
    code = models.CharField(max_length=64, help_text="The reason's problem code.")
    refused = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="discounts_refusalcount_counts", condition=Q(refused__gt=0))
        ]

    def __str__(self) -> str:
        return f"{self.refused} x {self.code}"
