"""All that is held of one person, as one JSON document: what they may ask for by law.

Events that wait in the inbox are not in it yet: they are counted within seconds. Stored answers
are named without their text, which repeats what is here. Secrets are not data of a person's:
hashes of passwords and tokens stay where they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit, pii
from accounts.errors import UserNotFound
from accounts.models import AuditEntry, IdempotencyRecord, PoolMembership, RefreshToken, User
from engagement.letters import shown
from engagement.models import DeadLetterEvent, Event, RetryEvent
from promopulse.lib.errors import Invalid
from promopulse.lib.time import db_now
from promotions.coupons import codes
from promotions.coupons.models import AssignRequest, Coupon, CouponRedemption
from promotions.discounts.models import Redemption, Reservation, Reversal
from promotions.models import PromotionTarget
from subscriptions.models import Subscription

ROWS_AT_ONCE = 2_000
# Columns with words or values of somebody's own, which are masked as a whole.
_FREE = frozenset({"metadata", "payload", "reason", "state_reason"})
_CODES = frozenset({"code", "coupon__code"})


@dataclass(frozen=True)
class Part:
    """Rows of one kind. `needs` is the permission of the console's pages that show them."""

    name: str
    needs: str
    rows: Callable[[int], QuerySet[Any]]
    columns: str


def _undelivered(model: type[Any]) -> Callable[[int], QuerySet[Any]]:
    def rows(user_id: int) -> QuerySet[Any]:
        theirs = Subscription.objects.filter(user_id=user_id).values_list("pk", flat=True)
        said = Q(payload__u=user_id) | Q(payload__s__in=list(theirs))
        found: QuerySet[Any] = model.objects.filter(Q(user_id=user_id) | said)
        return found

    return rows


_EVENT = "event_id type promotion_id occurred_at received_at"
_GRANT = (
    "id promotion_id currency cart_value delivery_charge original_amount amount limited_by "
    "local_day"
)

PARTS = (
    Part(
        "pools",
        "accounts.view_poolmembership",
        lambda pk: PoolMembership.objects.filter(user_id=pk),
        "pool_id pool__name added_at",
    ),
    Part(
        "targeted_by",
        "promotions.view_promotiontarget",
        lambda pk: PromotionTarget.objects.filter(user_id=pk),
        "promotion_id promotion__name",
    ),
    Part(
        "subscriptions",
        "subscriptions.view_subscription",
        lambda pk: Subscription.objects.filter(user_id=pk),
        "id promotion_id promotion__name is_active subscribed_at deactivated_at metadata",
    ),
    Part(
        "redemptions",
        "discounts.view_redemption",
        lambda pk: Redemption.objects.filter(user_id=pk),
        f"{_GRANT} order_id reservation_id reversed granted_at",
    ),
    Part(
        "reversals",
        "discounts.view_reversal",
        lambda pk: Reversal.objects.filter(redemption__user_id=pk),
        "id redemption_id amount reason created_at",
    ),
    Part(
        "reservations",
        "discounts.view_reservation",
        lambda pk: Reservation.objects.filter(user_id=pk),
        f"{_GRANT} state created_at expires_at closed_at",
    ),
    Part(
        "coupons",
        "coupons.view_coupon",
        lambda pk: Coupon.objects.filter(assigned_to_id=pk),
        "id book_id book__name code state uses assigned_at redeemed_at",
    ),
    Part(
        "coupon_uses",
        "coupons.view_couponredemption",
        lambda pk: CouponRedemption.objects.filter(user_id=pk),
        "id coupon_id coupon__code book_id order_id metadata discount_id created_at",
    ),
    Part(
        "coupon_requests",
        "coupons.view_coupon",
        lambda pk: AssignRequest.objects.filter(user_id=pk),
        "id book_id source_id count coupon_ids created_at",
    ),
    Part(
        "events",
        "engagement.view_event",
        lambda pk: Event.objects.filter(user_id=pk),
        f"{_EVENT} subscription_id amount metadata",
    ),
    Part(
        "events_being_retried",
        "engagement.view_retryevent",
        _undelivered(RetryEvent),
        f"{_EVENT} payload cause attempts due_at",
    ),
    Part(
        "dead_letters",
        "engagement.view_deadletterevent",
        _undelivered(DeadLetterEvent),
        f"{_EVENT} payload cause state state_reason dead_at closed_at",
    ),
    Part(
        "sessions",
        "accounts.view_refreshtoken",
        lambda pk: RefreshToken.objects.filter(user_id=pk),
        "created_at expires_at used_at revoked_at",
    ),
    Part(
        "stored_answers",
        "accounts.view_idempotencyrecord",
        lambda pk: IdempotencyRecord.objects.filter(client=f"user:{pk}"),
        "operation status created_at",
    ),
    Part(
        "changes_of_them",
        "accounts.view_auditentry",
        lambda pk: AuditEntry.objects.filter(object_type="user", object_id=pk),
        "at actor_user_id actor_api_key_id via action before after reason request_id",
    ),
    Part(
        "changes_by_them",
        "accounts.view_auditentry",
        lambda pk: AuditEntry.objects.filter(actor_user_id=pk),
        "at via action object_type object_id before after reason request_id",
    ),
)


def export(
    user_id: int, *, clear: bool, sees_codes: bool, reason: str, may: Callable[[str], bool]
) -> Iterator[bytes]:
    """The document, piece by piece; that it was asked for is in the trail before the first.

    Without `clear`, e-mail, phone and everybody's own words are masked; without `sees_codes` the
    codes of coupons are. Parts whose permission `may` denies are left out and named. Raises
    UserNotFound, and Invalid without a reason.
    """
    reason = reason.strip()
    if not reason:
        raise Invalid("reason", "Say why it must be exported.", "required")
    parts = [part for part in PARTS if may(part.needs)]
    left_out = [part.name for part in PARTS if part not in parts]
    how = "clear" if clear else "masked"
    with transaction.atomic():
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            raise UserNotFound()
        seen = "clear" if sees_codes else "masked"
        told = {"personal_data": how, "codes": seen, "left_out": left_out}
        audit.record("user.export", user, after=told, reason=reason)
    head = {"exported_at": db_now(), **told, "user": _user(user, clear)}
    masks: dict[str, Callable[[Any], Any]] = {}
    if not clear:
        masks |= dict.fromkeys(_FREE, shown.masked)
    if not sees_codes:
        masks |= dict.fromkeys(_CODES, codes.masked)
    return _document(user_id, head, parts, masks)


def _document(
    user_id: int, head: dict[str, Any], parts: list[Part], masks: dict[str, Callable[[Any], Any]]
) -> Iterator[bytes]:
    encode = msgspec.json.encode
    yield encode(head)[:-1]
    for part in parts:
        yield b",\n" + encode(part.name) + b":["
        rows, between = part.rows(user_id).order_by("pk"), b"\n"
        for row in rows.values(*part.columns.split()).iterator(ROWS_AT_ONCE):
            told = {
                _plain(name): masks[name](value) if name in masks else value
                for name, value in row.items()
            }
            yield between + encode(told)
            between = b",\n"
        yield b"]"
    yield b"}\n"


def _user(user: User, clear: bool) -> dict[str, Any]:
    email, phone = str(user.email or "") or None, str(user.phone or "") or None
    return {
        "id": user.pk,
        "name": user.name,
        "email": email if clear else pii.mask_email(email),
        "phone": phone if clear else pii.mask_phone(phone),
        "role": user.role,
        "source_id": user.source_id,
        "metadata": user.metadata if clear else shown.masked(user.metadata),
        "is_active": user.is_active,
        "created_at": user.created_at,
        "last_login": user.last_login,
        "erased_at": user.erased_at,
    }


def _plain(column: str) -> str:
    """`book__name` is `book_name`."""
    return column.replace("__", "_")
