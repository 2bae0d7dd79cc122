"""Coupons: books of codes, who holds which, and every use of one.

Which row is the truth: a Coupon for who holds it and what may be done with it, a CouponRedemption
for each use. Inserting a redemption or a reversal is the use itself: triggers judge it by the
database's clock and move the coupon. Counters (uses, per user, per state, per batch) follow their
rows by trigger and can be written in no other way.
"""

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now, Upper

from accounts.models import Pool, User
from promopulse.lib.triggers import append_only, no_truncate
from promotions.coupons import codes, states, triggers
from promotions.coupons.states import State
from promotions.discounts.models import Redemption
from promotions.models import Promotion

# A book has fewer places than 2 to this.
PLACE_BITS = triggers.PLACE_BITS

CODE_ONCE = "coupons_coupon_code_once"


class CouponBook(models.Model):
    """A pool of codes with the rules they share. Its end, once passed, cannot move."""

    name = models.CharField(max_length=255, validators=[MinLengthValidator(1)])
    description = models.TextField(blank=True)
    promotion = models.ForeignKey(
        Promotion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="coupon_books",
        help_text="Redeeming a code then grants its discount too.",
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on its open coupons are expired."
    )
    requires_assignment = models.BooleanField(
        default=True, help_text="If not, anybody may redeem a code that is nobody's."
    )
    allow_multi_redemption = models.BooleanField(
        default=False, help_text="Its codes may have more than one use."
    )
    max_redemptions_per_user = models.PositiveIntegerField(
        null=True, blank=True, help_text="Over the whole book; empty for no limit."
    )
    max_assignments_per_user = models.PositiveIntegerField(
        null=True, blank=True, help_text="Over the whole book; empty for no limit."
    )
    code_pattern = models.CharField(
        max_length=codes.MAX_LENGTH, blank=True, help_text="For codes to come, as SUMMER-{}-26."
    )
    is_active = models.BooleanField(
        default=True, help_text="If not, nothing is assigned, locked or redeemed."
    )
    places = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="Codes that were ever brought: the places to draw from.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="coupons_couponbook_named", condition=~Q(name="")),
            models.CheckConstraint(
                name="coupons_couponbook_limits_positive",
                condition=(
                    Q(max_redemptions_per_user__isnull=True) | Q(max_redemptions_per_user__gte=1)
                )
                & (Q(max_assignments_per_user__isnull=True) | Q(max_assignments_per_user__gte=1)),
            ),
        ]
        triggers = [triggers.book_keeps_its_word, triggers.kept(), no_truncate()]

    def __str__(self) -> str:
        return self.name

    @property
    def first_place(self) -> int:
        """Places are numbered from here on: a place alone tells the book."""
        return self.pk << PLACE_BITS


class CodeBatch(models.Model):
    """One run that makes or brings codes. `done` follows its coupons; at `total` it is done.

    Whoever fills it holds the row for a chunk at a time, so it can be left and taken up anywhere.
    """

    class Kind(models.TextChoices):
        GENERATE = "generate"
        UPLOAD = "upload"

    class Status(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"

    book = models.ForeignKey(CouponBook, on_delete=models.PROTECT, related_name="batches")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.RUNNING)
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    max_redemptions = models.PositiveIntegerField(default=1)
    pattern = models.CharField(max_length=codes.MAX_LENGTH, blank=True)
    length = models.PositiveSmallIntegerField(null=True, blank=True)
    charset = models.CharField(max_length=36, blank=True)
    shape = models.CharField(
        max_length=128, blank=True, help_text="What its codes have in common; empty for uploads."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "code batches"
        constraints = [
            models.CheckConstraint(
                name="coupons_codebatch_status_known",
                condition=Q(status__in=["running", "done", "cancelled"]),
            ),
            models.CheckConstraint(
                name="coupons_codebatch_kind_known", condition=Q(kind__in=["generate", "upload"])
            ),
            models.CheckConstraint(
                name="coupons_codebatch_never_over", condition=Q(done__lte=F("total"), total__gte=1)
            ),
            models.CheckConstraint(
                name="coupons_codebatch_done_when_full",
                condition=Q(status="done", done=F("total"))
                | (~Q(status="done") & Q(done__lt=F("total"))),
            ),
            models.CheckConstraint(
                name="coupons_codebatch_finished_iff_timed",
                condition=Q(status="running", finished_at__isnull=True)
                | (~Q(status="running") & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="coupons_codebatch_shaped",
                condition=Q(kind="upload", shape="")
                | (Q(kind="generate", length__isnull=False) & ~Q(pattern="") & ~Q(shape="")),
            ),
            models.CheckConstraint(
                name="coupons_codebatch_redeemable", condition=Q(max_redemptions__gte=1)
            ),
        ]
        indexes = [
            models.Index(fields=["book", "id"], name="coupons_codebatch_page"),
            models.Index(fields=["shape"], name="coupons_codebatch_shape"),
            models.Index(
                fields=["id"], name="coupons_codebatch_running", condition=Q(status="running")
            ),
        ]
        triggers = [triggers.batch_follows_its_codes, triggers.kept(), no_truncate()]

    def __str__(self) -> str:
        return f"Batch {self.pk}"

    @property
    def code_shape(self) -> codes.Shape:
        assert self.length is not None
        return codes.Shape(self.pattern, self.length, self.charset)


class Distribution(models.Model):
    """Codes of a book spread over a pool, all at once. Its coupons name it."""

    class Mode(models.TextChoices):
        RANDOM = "random"
        EQUAL = "equal"

    book = models.ForeignKey(CouponBook, on_delete=models.PROTECT, related_name="distributions")
    pool = models.ForeignKey(
        Pool, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Empty once gone."
    )
    mode = models.CharField(max_length=6, choices=Mode.choices)
    seed = models.BigIntegerField(help_text="With the same data it gives the same result.")
    plan = models.CharField(max_length=64, help_text="Stands for what was done.")
    assigned = models.PositiveIntegerField(help_text="Coupons given away.")
    users = models.PositiveIntegerField(help_text="People who were given some.")
    remainder = models.PositiveIntegerField(help_text="Coupons that were left over.")
    skipped = models.JSONField(default=list, help_text="Who was given none, and why.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    undone_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="coupons_distribution_mode_known", condition=Q(mode__in=["random", "equal"])
            )
        ]
        indexes = [models.Index(fields=["book", "id"], name="coupons_distribution_page")]
        triggers = [triggers.distribution_stays, triggers.kept(), no_truncate()]

    def __str__(self) -> str:
        return f"Distribution {self.pk}"


class Coupon(models.Model):
    """One code. Services move it along `states.MOVES`; a trigger refuses any other move.

    What it names, how its code is written and whether its columns agree with its state is checked
    by triggers, not by foreign keys and checks, which cost each statement or row more than the
    row's own work: codes come by the hundred thousand and are given one by one.
    """

    book = models.ForeignKey(
        CouponBook, on_delete=models.PROTECT, related_name="coupons", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    batch = models.ForeignKey(
        CodeBatch, on_delete=models.PROTECT, related_name="coupons", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    code = models.CharField(max_length=codes.MAX_LENGTH, help_text="As it is shown.")
    code_key = models.GeneratedField(
        expression=Upper(Func(F("code"), Value("- "), Value(""), function="translate")),
        output_field=models.CharField(max_length=codes.MAX_LENGTH),
        db_persist=True,
        help_text="As it is compared.",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.UNASSIGNED)
    max_redemptions = models.IntegerField(default=1)
    uses = models.IntegerField(default=0, editable=False)
    assigned_to = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="coupons",
        db_constraint=False, db_index=False,
    )  # fmt: skip
    assigned_at = models.DateTimeField(null=True, blank=True)
    distribution = models.ForeignKey(
        Distribution, null=True, blank=True, on_delete=models.PROTECT, related_name="coupons",
        db_constraint=False, db_index=False,
    )  # fmt: skip
    locked_until = models.DateTimeField(null=True, blank=True)
    lock_token_hash = models.BinaryField(max_length=32, null=True, editable=False)
    redeemed_at = models.DateTimeField(null=True, blank=True, help_text="When the last use went.")
    draw_key = models.BigIntegerField(
        editable=False, help_text="Its place among the book's (`first_place`). Draws pick a place."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code_key"], name=CODE_ONCE),
            # Free ones by their places; two in one place would share its chance.
            models.UniqueConstraint(
                fields=["draw_key"], name="coupons_coupon_draw", condition=Q(state="UNASSIGNED")
            ),
        ]
        indexes = [
            models.Index(fields=["book", "id"], name="coupons_coupon_page"),
            # Pages of the states that few are in, while a book is new.
            models.Index(
                fields=["book", "state", "id"],
                name="coupons_coupon_state",
                condition=~Q(state="UNASSIGNED"),
            ),
            models.Index(
                fields=["assigned_to", "id"],
                name="coupons_coupon_holder",
                condition=Q(assigned_to__isnull=False),
            ),
            models.Index(
                fields=["locked_until"], name="coupons_coupon_locks", condition=Q(state="LOCKED")
            ),
            models.Index(
                fields=["distribution", "id"],
                name="coupons_coupon_distributed",
                condition=Q(distribution__isnull=False),
            ),
        ]
        triggers = [
            triggers.coupons_begin_free,
            triggers.coupon_is_fixed,
            triggers.coupon_moves,
            triggers.counts_follow_coupons,
            triggers.kept(),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"Coupon {self.pk}"

    def state_at(self, at: datetime) -> State:
        """What it is at `at`; needs its book."""
        return states.state_at(
            self.state, locked_until=self.locked_until, expires_at=self.book.expires_at, at=at
        )

    @property
    def uses_left(self) -> int:
        return self.max_redemptions - self.uses


class BookUser(models.Model):
    """What one user has of one book: where its limits per user are taken. Follows the rows.

    What they were given is counted in a book that limits it, from the moment it does (`0`
    elsewhere): a draw from another book has one row less to write.
    """

    # The book of a coupon, which is there. A foreign key would lock the book's row for every new
    # pair: many clients at once on one row.
    book = models.ForeignKey(
        CouponBook, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    assigned = models.IntegerField(
        default=0, help_text="Coupons that are theirs, used ones too, in a book that limits them."
    )
    redeemed = models.IntegerField(default=0, help_text="Uses that were not given back.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["book", "user"], name="coupons_bookuser_once")
        ]
        triggers = [*triggers.follows_rows("users_follow_coupons"), no_truncate()]

    def __str__(self) -> str:
        return f"User {self.user_id} of book {self.book_id}"


class BookTally(models.Model):
    """A part of a book's counts per stored state; the sum over the parts is the count."""

    book = models.ForeignKey(
        CouponBook, on_delete=models.PROTECT, related_name="tallies", db_index=False
    )
    shard = models.SmallIntegerField()
    unassigned = models.BigIntegerField(default=0)
    assigned = models.BigIntegerField(default=0)
    locked = models.BigIntegerField(default=0)
    redeemed = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "book tallies"
        constraints = [
            models.UniqueConstraint(fields=["book", "shard"], name="coupons_booktally_once")
        ]
        triggers = [*triggers.follows_rows("tallies_follow_coupons"), no_truncate()]

    def __str__(self) -> str:
        return f"Tally {self.shard} of book {self.book_id}"


class AssignRequest(models.Model):
    """An assignment under the client's own id: asked again, it answers the same coupons."""

    book = models.ForeignKey(CouponBook, on_delete=models.PROTECT, related_name="+")
    source_id = models.CharField(max_length=128)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    count = models.PositiveSmallIntegerField()
    coupon_ids = ArrayField(models.BigIntegerField(), default=list)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["book", "source_id"], name="coupons_assignrequest_once")
        ]

    def __str__(self) -> str:
        return f"{self.count} of book {self.book_id}"


class CouponRedemption(models.Model):
    """One use of a coupon. Inserting it is the use; it stays, without its metadata if need be.

    `discount` is what its book's promotion gave in the same transaction.
    """

    # The trigger locks the coupon, which stays; book and user exist where BookUser has a row of the
    # two, which it sees to.
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, related_name="redemptions", db_constraint=False
    )
    book = models.ForeignKey(
        CouponBook, on_delete=models.PROTECT, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_constraint=False)
    order_id = models.CharField(max_length=128, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    discount = models.OneToOneField(
        Redemption, null=True, on_delete=models.PROTECT, related_name="coupon_redemption"
    )
    lock_token_hash = models.BinaryField(
        max_length=32, null=True, editable=False, help_text="The token that was shown, if one was."
    )
    good_until = models.DateTimeField(
        null=True, editable=False, help_text="Deadline of the lock or the book: commits before."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["book", "id"], name="coupons_redemption_page")]
        triggers = [
            triggers.redemption_takes,
            triggers.redemption_commits_in_time,
            triggers.redemption_stays,
            triggers.kept(),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"Redemption {self.pk}"

    @property
    def is_reversed(self) -> bool:
        return hasattr(self, "reversal")


class CouponReversal(models.Model):
    """A use given back, once. Inserting it is the giving back."""

    redemption = models.OneToOneField(
        CouponRedemption, on_delete=models.PROTECT, related_name="reversal"
    )
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        triggers: list[Any] = [triggers.reversal_gives_back, *append_only()]

    def __str__(self) -> str:
        return f"Reversal of {self.redemption_id}"
