"""Who opted in to which promotion."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from promotions.models import Promotion


class Subscription(models.Model):
    """A user's opt-in to a promotion: one per pair, deactivated but never deleted."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="subscriptions")
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="subscriptions")
    is_active = models.BooleanField(default=True, db_index=True)
    subscribed_at = models.DateTimeField(default=timezone.now)
    deactivated_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    counted_types = models.SmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Types of event, 1 VIEW, 2 CLICK and 4 REDEEM added up, for which the user is "
        "among the unique users of the promotion. Set by who counts them, so that nobody has to be "
        "looked for twice; one may be missing.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "promotion"], name="subscriptions_subscription_once"
            ),
            models.CheckConstraint(
                name="subscriptions_subscription_inactive_iff_timed",
                condition=Q(is_active=True, deactivated_at=None)
                | Q(is_active=False, deactivated_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["user", "is_active"], name="subscriptions_user_active"),
            models.Index(fields=["promotion", "is_active"], name="subscriptions_promotion_active"),
            # The lists, newest first.
            models.Index(
                fields=["user", "-subscribed_at", "-id"], name="subscriptions_user_newest"
            ),
            models.Index(
                fields=["promotion", "-subscribed_at", "-id"],
                name="subscriptions_promotion_newest",
            ),
        ]

    def __str__(self) -> str:
        return f"User {self.user_id} in promotion {self.promotion_id}"
