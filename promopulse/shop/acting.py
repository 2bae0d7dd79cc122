"""What people do with a coupon on a page: one service call each, and what became of it in words.

Asking for what is not possible is allowed here as in the API: the service refuses.
"""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.models import User
from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.lib import money
from promopulse.lib.errors import DomainError, PermissionDenied
from promopulse.shop.told import Told
from promotions.coupons.models import Coupon
from promotions.coupons.services import assigning, holding, redeeming
from promotions.coupons.services.holding import Lock
from promotions.coupons.services.redeeming import Cart, Redeemed
from promotions.coupons.states import State

REDEEM, LOCK, UNLOCK, ASSIGN = "redeem", "lock", "unlock", "assign"
PERMISSIONS = {
    REDEEM: Permission.HANDLE_COUPON,
    LOCK: Permission.HANDLE_COUPON,
    UNLOCK: Permission.HANDLE_COUPON,
    ASSIGN: Permission.ASSIGN,
}
ACTIONS = frozenset(PERMISSIONS)


@dataclass(frozen=True)
class Request:
    """Somebody (`by`) tries something on a coupon of `user_id`, with what they have for it."""

    action: str
    coupon: Coupon
    user_id: int
    by: User
    token: str | None = None
    cart: Cart | None = None

    @property
    def by_holder(self) -> bool:
        return reach_of(self.by, PERMISSIONS[self.action]) is Reach.OWN

    @property
    def is_allowed(self) -> bool:
        reach = reach_of(self.by, PERMISSIONS[self.action])
        return reach is Reach.ALL or (reach is Reach.OWN and self.by.pk == self.user_id)


@dataclass(frozen=True)
class Done:
    """What to tell, the state the coupon has come to, and the lock if one was taken."""

    told: Told
    state: State | None = None
    lock: Lock | None = None


def about(coupon: Coupon) -> str:
    """What an outcome stands beside."""
    return f"coupon:{coupon.pk}"


def act(request: Request) -> Done:
    """Do it. Raises PermissionDenied for what the role does not have, and what the service does."""
    if not request.is_allowed:
        raise PermissionDenied()
    return _DO[request.action](request)


def attempt(request: Request) -> Done:
    """Try it: a refusal is told like a success."""
    try:
        return act(request)
    except DomainError as refusal:
        return Done(Told.of(refusal, about=about(request.coupon), action=request.action))


def _told(request: Request, status: int, sentence: str) -> Told:
    return Told(status, sentence, about=about(request.coupon), action=request.action)


def _redeem(request: Request) -> Done:
    done = redeeming.redeem(
        request.coupon.code,
        user_id=request.user_id,
        lock_token=request.token,
        cart=request.cart,
        by_holder=request.by_holder,
    )
    return Done(_told(request, 201, _said(done)), State(done.coupon.state))


def _said(done: Redeemed) -> str:
    parts = ["Redeemed."]
    if done.discount is not None:
        saved = money.in_words(done.discount.amount, done.discount.currency)
        less = " (all the campaign has left)" if done.discount.limited_by == "budget" else ""
        parts.append(f"You save {saved}{less}.")
    if done.coupon.max_redemptions > 1:
        parts.append(f"{done.coupon.uses_left:,} of {done.coupon.max_redemptions:,} uses left.")
    return " ".join(parts)


def _lock(request: Request) -> Done:
    lock = holding.lock(request.coupon.code, user_id=request.user_id, by_holder=request.by_holder)
    return Done(
        _told(request, 200, "Locked: nobody else can use it meanwhile."), State.LOCKED, lock
    )


def _unlock(request: Request) -> Done:
    coupon = holding.unlock(
        request.coupon.code,
        user_id=request.user_id,
        lock_token=request.token or "",
        by_holder=request.by_holder,
    )
    return Done(_told(request, 200, "Unlocked: it can be used again."), State(coupon.state))


def _assign(request: Request) -> Done:
    coupon = assigning.assign_code(request.coupon.code, user_id=request.user_id)
    return Done(_told(request, 200, "Assigned."), State(coupon.state))


_DO: dict[str, Callable[[Request], Done]] = {
    REDEEM: _redeem,
    LOCK: _lock,
    UNLOCK: _unlock,
    ASSIGN: _assign,
}
