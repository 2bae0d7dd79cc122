"""What the coupon routes share: one moment, who may see a code, who acts for whom."""

from datetime import datetime
from functools import cached_property
from typing import Any

from accounts.api.base import ApiViewSet
from accounts.principals import is_service, reach_of
from accounts.roles import Permission, Reach
from promopulse.lib import limits
from promopulse.lib.errors import Invalid
from promotions.coupons.errors import CouponNotFound
from promotions.coupons.models import Coupon
from promotions.coupons.services.finding import clock


class CouponApiViewSet(ApiViewSet):
    @cached_property
    def at(self) -> datetime:
        """The one moment at which this answer tells states."""
        return clock()

    @property
    def sees_codes(self) -> bool:
        """Whether the caller may see the codes of others: who may redeem them for anybody."""
        return reach_of(self.request.user, Permission.HANDLE_COUPON) is Reach.ALL

    def reveals(self, coupon: Coupon) -> bool:
        # A customer gets to see their own and public ones only.
        return self.own_only or self.sees_codes or coupon.assigned_to_id == self._own_id

    @property
    def _own_id(self) -> Any:
        return self.request.user.pk or -1

    def acts_for(self, body: dict[str, Any]) -> int:
        """The user a call is about: the caller, or whom a service or an admin names.

        Raises CouponNotFound where a customer names somebody else, as for any coupon of theirs.
        """
        named = body.pop("user_id", None)
        own: Any = self.request.user.pk
        if self.own_only:
            if named not in (None, own):
                raise CouponNotFound()
            return int(own)
        if named is None:
            raise Invalid("user_id", "Say for whom.", "required")
        return int(named)

    def guessers(self, user_id: int | None = None) -> list[str]:
        """By whom looks that fail are counted."""
        request = self.request
        if is_service(request.user):
            return [f"key:{request.user.key_id}:{user_id or ''}"]  # type: ignore[union-attr]
        return [f"user:{request.user.pk}", f"address:{limits.address_of(request._request)}"]
