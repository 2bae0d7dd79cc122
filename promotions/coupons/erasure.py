"""Erasing what was said about a person beside their coupons; coupons and uses keep their id."""

from django.db.models import Q, QuerySet

from promotions.coupons.models import AssignRequest, CouponRedemption


def count_metadata(user_id: int) -> int:
    """What `erase_metadata` would take away now."""
    return _told(user_id).count() + _asked(user_id).count()


def erase_metadata(user_id: int) -> int:
    """Empty the metadata of the user's uses, and forget the client's ids of what was assigned to
    them; gives how many there were."""
    emptied = _told(user_id).update(metadata={})
    forgotten, _ = _asked(user_id).delete()
    return emptied + forgotten


def _told(user_id: int) -> QuerySet[CouponRedemption]:
    return CouponRedemption.objects.filter(Q(user_id=user_id) & ~Q(metadata={}))


def _asked(user_id: int) -> QuerySet[AssignRequest]:
    return AssignRequest.objects.filter(user_id=user_id)
