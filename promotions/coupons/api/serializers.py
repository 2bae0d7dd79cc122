"""Shapes of books, batches and distributions in and out."""

from typing import Any

from rest_framework import serializers

from promopulse.lib.fields import AwareDateTimeField, IdField, StrictSerializer
from promotions.coupons import codes, rules
from promotions.coupons.models import CodeBatch, Coupon, CouponBook, Distribution
from promotions.coupons.selectors import Counts
from promotions.coupons.services import uploading
from promotions.coupons.states import State


def reason_field() -> serializers.CharField:
    return serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=rules.MAX_REASON,
        help_text="Why; kept in the audit trail.",
    )


def _limit(words: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=rules.MAX_LIMIT, help_text=words
    )


def _uses() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=rules.MAX_REDEMPTIONS,
        help_text="Uses of each code, default 1; more only in a book with many uses.",
    )


class _MaybeFlag(serializers.BooleanField):
    """A form that leaves it out does not say no."""

    default_empty_html = serializers.empty


class BookIn(StrictSerializer):
    name = serializers.CharField(max_length=rules.MAX_NAME)
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=rules.MAX_DESCRIPTION
    )
    promotion_id = IdField(
        required=False, allow_null=True, help_text="Redeeming a code then grants its discount."
    )
    expiration_date = AwareDateTimeField(
        required=False,
        allow_null=True,
        source="expires_at",
        help_text="From then on open coupons are EXPIRED; once passed it cannot move.",
    )
    requires_assignment = _MaybeFlag(
        required=False, help_text="Default true; if not, anybody may redeem a free code."
    )
    allow_multi_redemption = _MaybeFlag(
        required=False, help_text="Default false; if so, codes may have many uses."
    )
    max_redemptions_per_user = _limit(
        "Over the book. Default 1 where codes have many uses, else no limit."
    )
    max_assignments_per_user = _limit("Over the book. Default: no limit.")
    code_pattern = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=codes.MAX_LENGTH,
        help_text="For generated codes, as `SUMMER-{}-26`.",
    )
    is_active = _MaybeFlag(required=False)


class CountsOut(serializers.Serializer[Counts]):
    """Codes per state as they are now."""

    total = serializers.IntegerField()
    unassigned = serializers.IntegerField()
    assigned = serializers.IntegerField()
    locked = serializers.IntegerField()
    redeemed = serializers.IntegerField()
    expired = serializers.IntegerField()


class BookOut(serializers.ModelSerializer[CouponBook]):
    expiration_date = AwareDateTimeField(source="expires_at", allow_null=True)
    created_at = AwareDateTimeField()
    counts = serializers.SerializerMethodField()

    class Meta:
        model = CouponBook
        fields = (
            "id",
            "name",
            "description",
            "promotion_id",
            "expiration_date",
            "requires_assignment",
            "allow_multi_redemption",
            "max_redemptions_per_user",
            "max_assignments_per_user",
            "code_pattern",
            "is_active",
            "created_at",
            "counts",
        )
        read_only_fields = fields

    def get_counts(self, book: CouponBook) -> CountsOut:
        counts: Counts = self.context["counts"][book.pk]
        return CountsOut(counts).data  # type: ignore[return-value]


class BooksQuery(serializers.Serializer[Any]):
    promotion_id = IdField(required=False)
    is_active = serializers.BooleanField(required=False, allow_null=True, default=None)


class GenerateIn(StrictSerializer):
    count = serializers.IntegerField(min_value=1, max_value=rules.MAX_GENERATED)
    prefix = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, max_length=codes.MAX_LENGTH
    )
    suffix = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, max_length=codes.MAX_LENGTH
    )
    pattern = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=codes.MAX_LENGTH,
        help_text="`SUMMER-{}-26`; default: the book's, else only the random part.",
    )
    length = serializers.IntegerField(
        required=False,
        min_value=codes.MIN_RANDOM,
        max_value=codes.MAX_RANDOM,
        help_text="Random characters, default 8.",
    )
    charset = serializers.CharField(
        required=False, max_length=64, help_text="Default: no 0, 1, I, L, O."
    )
    max_redemptions = _uses()


class BatchOut(serializers.ModelSerializer[CodeBatch]):
    created_at = AwareDateTimeField()
    finished_at = AwareDateTimeField(allow_null=True)

    class Meta:
        model = CodeBatch
        fields = (
            "id",
            "book_id",
            "kind",
            "status",
            "done",
            "total",
            "pattern",
            "length",
            "charset",
            "max_redemptions",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class UploadIn(StrictSerializer):
    codes = serializers.ListField(
        child=serializers.CharField(
            allow_blank=True, trim_whitespace=False, max_length=10 * codes.MAX_LENGTH
        ),
        min_length=1,
        max_length=rules.MAX_UPLOADED,
    )
    on_duplicate = serializers.ChoiceField(
        [uploading.ERROR, uploading.SKIP],
        required=False,
        help_text="error (the default): all or none; skip: what can be taken.",
    )
    max_redemptions = _uses()
    dry_run = serializers.BooleanField(required=False)


class UploadFileIn(StrictSerializer):
    file = serializers.FileField(help_text="CSV with a column `code`, or one column alone.")
    on_duplicate = serializers.ChoiceField([uploading.ERROR, uploading.SKIP], required=False)
    max_redemptions = _uses()
    dry_run = serializers.BooleanField(required=False)


class VerdictOut(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Of the row, from 0.")
    code = serializers.CharField()
    verdict = serializers.ChoiceField([uploading.CREATED, uploading.DUPLICATE, uploading.INVALID])
    detail = serializers.CharField()


class UploadOut(serializers.Serializer[Any]):
    """What became of each row, or in a dry run would."""

    dry_run = serializers.BooleanField()
    batch_id = serializers.IntegerField(allow_null=True)
    created = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    invalid = serializers.IntegerField()
    rows = VerdictOut(many=True)


class BookCouponsQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(State.choices, required=False, help_text="As it is now.")
    assigned_to = IdField(required=False)
    distribution_id = IdField(required=False)


class DistributeIn(StrictSerializer):
    book_id = IdField()
    mode = serializers.ChoiceField(Distribution.Mode.choices)
    count = serializers.IntegerField(
        required=False, min_value=1, max_value=rules.MAX_DISTRIBUTED, help_text="Coupons in all."
    )
    coupons_per_user = serializers.IntegerField(
        required=False, min_value=1, max_value=rules.MAX_DISTRIBUTED, help_text="Instead of count."
    )
    seed = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=rules.MAX_SEED,
        help_text="With the same data it gives the same result; default: a random one.",
    )
    dry_run = serializers.BooleanField(required=False)
    expect_plan = serializers.CharField(
        required=False, max_length=64, help_text="`plan` of a dry run: refused if it has changed."
    )
    reason = reason_field()


class SkippedOut(serializers.Serializer[Any]):
    user_id = serializers.IntegerField()
    reason = serializers.CharField(help_text="max_assignments_exceeded or user_inactive.")
    room = serializers.IntegerField(help_text="How many more they could have had.")


class ShareOut(serializers.Serializer[Any]):
    user_id = serializers.IntegerField()
    count = serializers.IntegerField()
    codes = serializers.ListField(
        child=serializers.CharField(), help_text="Empty in a dry run: not chosen yet."
    )


class DistributedOut(serializers.Serializer[Any]):
    """Who was given how many, or in a dry run would be."""

    dry_run = serializers.BooleanField()
    distribution_id = serializers.IntegerField(allow_null=True)
    plan = serializers.CharField(help_text="Stands for exactly these shares and this seed.")
    book_id = serializers.IntegerField()
    pool_id = serializers.IntegerField()
    mode = serializers.ChoiceField(Distribution.Mode.choices)
    seed = serializers.IntegerField()
    available = serializers.IntegerField(help_text="Free codes before it.")
    count = serializers.IntegerField(help_text="Coupons given.")
    remainder = serializers.IntegerField(help_text="Of the count asked for, not given.")
    skipped = SkippedOut(many=True)
    assignments = ShareOut(many=True)


class DistributionOut(serializers.ModelSerializer[Distribution]):
    created_at = AwareDateTimeField()
    undone_at = AwareDateTimeField(allow_null=True)
    skipped = SkippedOut(many=True)

    class Meta:
        model = Distribution
        fields = (
            "id",
            "book_id",
            "pool_id",
            "mode",
            "seed",
            "plan",
            "assigned",
            "users",
            "remainder",
            "skipped",
            "created_at",
            "undone_at",
        )
        read_only_fields = fields


class CouponOut(serializers.Serializer[Coupon]):
    """A coupon as it is now. The code is masked for those who may not redeem it."""

    id = serializers.IntegerField()
    code = serializers.SerializerMethodField()
    book_id = serializers.IntegerField()
    state = serializers.SerializerMethodField()
    assigned_to = serializers.IntegerField(source="assigned_to_id", allow_null=True)
    assigned_at = AwareDateTimeField(allow_null=True)
    distribution_id = serializers.IntegerField(allow_null=True)
    locked_until = serializers.SerializerMethodField(help_text="While it is locked.")
    max_redemptions = serializers.IntegerField()
    uses = serializers.IntegerField()
    uses_left = serializers.IntegerField()
    redeemed_at = AwareDateTimeField(allow_null=True, help_text="When the last use went.")
    expires_at = AwareDateTimeField(
        source="book.expires_at", allow_null=True, help_text="The end of its book."
    )

    def get_code(self, coupon: Coupon) -> str:
        return coupon.code if self.context["view"].reveals(coupon) else codes.masked(coupon.code)

    def get_state(self, coupon: Coupon) -> State:
        return coupon.state_at(self.context["view"].at)

    def get_locked_until(self, coupon: Coupon) -> str | None:
        if coupon.state_at(self.context["view"].at) != State.LOCKED or not coupon.locked_until:
            return None
        return AwareDateTimeField().to_representation(coupon.locked_until)
