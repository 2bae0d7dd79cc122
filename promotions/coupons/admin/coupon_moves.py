"""What can be done with one coupon: the legal moves as buttons, why the others are not, the pages
that plan, confirm and do them."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import User
from accounts.roles import Permission
from promopulse.lib import money, plans
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.plans import MustSayWhy, PlanPage, Report
from promopulse.lib.errors import REASONS
from promopulse.lib.widgets import AmountInput, AutocompleteOne, TextInput
from promotions.coupons import rules, states
from promotions.coupons.admin.access import may, shown_code
from promotions.coupons.models import Coupon, CouponRedemption
from promotions.coupons.services import assigning, holding, redeeming
from promotions.coupons.services.finding import clock
from promotions.coupons.services.redeeming import Cart
from promotions.coupons.states import Action, State
from promotions.discounts.admin.reversing import ReversePage, ReversePlan


def _person(words: str) -> forms.ModelChoiceField:
    return forms.ModelChoiceField(
        User.objects.filter(erased_at=None),
        label="Person",
        widget=AutocompleteOne(Coupon._meta.get_field("assigned_to"), admin.site),
        help_text=words,
    )


class AssignForm(forms.Form):
    user = _person("Who holds it from then on.")


class LockForm(forms.Form):
    seconds = forms.IntegerField(
        initial=rules.DEFAULT_LOCK, min_value=1, max_value=rules.MAX_LOCK, widget=AmountInput
    )


def _amount(label: str, **more: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        min_value=Decimal(0),
        max_digits=money.MAX_DIGITS,
        decimal_places=money.DECIMAL_PLACES,
        widget=AmountInput,
        **more,
    )


class RedeemForm(forms.Form):
    order_id = forms.CharField(
        required=False,
        max_length=rules.MAX_ORDER_ID,
        widget=TextInput,
        help_text="Your own order, if it is about one.",
    )


class CartForm(RedeemForm):
    """Where the book has a promotion: its discount is taken off this."""

    cart_value = _amount("Cart")
    delivery_charge = _amount("Delivery", required=False, initial=0)


class PublicForm(RedeemForm):
    user = _person("Who uses it.")


class PublicCartForm(CartForm):
    user = _person("Who uses it.")


def _redeem_form(coupon: Coupon) -> type[forms.Form]:
    with_cart = coupon.book.promotion_id is not None
    if coupon.assigned_to_id is None:
        return PublicCartForm if with_cart else PublicForm
    return CartForm if with_cart else RedeemForm


def _assign(coupon: Coupon, given: dict[str, Any]) -> str:
    assigning.assign_code(coupon.code, user_id=given["user"].pk)
    return f"Assigned to {given['user'].name or given['user']}."


def _lock(coupon: Coupon, given: dict[str, Any]) -> str:
    lock = holding.lock(coupon.code, user_id=coupon.assigned_to_id or 0, seconds=given["seconds"])
    until = looks.moment(lock.locked_until)
    return f"Locked until {until}. Its token, shown this once: {lock.token}"


def _unlock(coupon: Coupon, given: dict[str, Any]) -> str:
    holding.force_unlock(coupon.code, reason=given["reason"])
    return "Unlocked."


def _redeem(coupon: Coupon, given: dict[str, Any]) -> str:
    user: Any = given["user"].pk if "user" in given else coupon.assigned_to_id
    cart = None
    if "cart_value" in given:
        cart = Cart(given["cart_value"], given["delivery_charge"] or Decimal(0))
    done = redeeming.redeem(
        coupon.code, user_id=user, order_id=given["order_id"] or None, cart=cart
    )
    return f"Redeemed; {looks.plural(done.coupon.uses_left, 'use')} left."


@dataclass(frozen=True)
class Move:
    """One thing that staff may do to a coupon, if its state lets them."""

    title: str
    says: str
    action: Action
    permission: Permission
    form: Callable[[Coupon], type[forms.Form]]
    do: Callable[[Coupon, dict[str, Any]], str]
    wants_open_book: bool = True


MOVES = {
    "assign": Move(
        "Assign",
        "It becomes this person's; only they can use it then.",
        Action.ASSIGN,
        Permission.ASSIGN,
        lambda _coupon: AssignForm,
        _assign,
    ),
    "lock": Move(
        "Lock",
        "It is held for its holder. Whoever has the token redeems it or lets it go.",
        Action.LOCK,
        Permission.HANDLE_COUPON,
        lambda _coupon: LockForm,
        _lock,
    ),
    "unlock": Move(
        "Unlock",
        "It is let go without its token. A checkout that holds it can no longer redeem it.",
        Action.UNLOCK,
        Permission.UNLOCK,
        lambda _coupon: MustSayWhy,
        _unlock,
        wants_open_book=False,
    ),
    "redeem": Move(
        "Redeem",
        "One use of it is gone. Where its book has a promotion, the discount is granted too.",
        Action.REDEEM,
        Permission.HANDLE_COUPON,
        _redeem_form,
        _redeem,
    ),
}
# Where the words of a refusal would be about somebody with a token.
_WORDS = {
    (Action.UNLOCK, State.ASSIGNED): "It is not locked.",
    (Action.LOCK, State.REDEEMED): "Invalid transition",
    (Action.UNLOCK, State.REDEEMED): "Invalid transition",
}


def refusal(move: Move, coupon: Coupon, state: State) -> str:
    """Why the coupon's state refuses a move; empty where it does not."""
    code = states.refusal(move.action, state, is_public=not coupon.book.requires_assignment)
    if code is not None:
        return _WORDS.get((move.action, state), REASONS[code].sentence)
    if move.wants_open_book and not coupon.book.is_active:
        return REASONS["book_inactive"].sentence
    return ""


@dataclass(frozen=True)
class Offered:
    """A move on a coupon's page: a button where there is an address, else the reason."""

    title: str
    url: str
    why: str


def offered(request: HttpRequest, coupon: Coupon, state: State) -> list[Offered]:
    found = []
    for name, move in MOVES.items():
        why = refusal(move, coupon, state)
        if not why and not may(request, move.permission):
            why = "Your role does not allow this."
        url = reverse("admin:coupons_coupon_move", args=[coupon.pk, name])
        found.append(Offered(move.title, "" if why else url, why))
    return found


@dataclass(frozen=True)
class CouponPlan:
    """A move of a coupon as it is now."""

    name: str
    coupon: Coupon
    state: State
    why: str

    @property
    def count(self) -> int:
        return 0 if self.why else 1

    @property
    def hash(self) -> str:
        coupon = self.coupon
        return plans.digest(
            f"coupons.{self.name}", coupon.pk, self.state, coupon.assigned_to_id, coupon.uses
        )


class MovePage(PlanPage):
    """The pages `.../<coupon>/<move>/`."""

    template = "admin/coupons/move.html"

    def may(self, request: HttpRequest, **named: Any) -> bool:
        return may(request, MOVES[named["name"]].permission)

    def form(self, request: HttpRequest, **named: Any) -> type[forms.Form]:
        return MOVES[named["name"]].form(_coupon(named["pk"]))

    def plan(self, request: HttpRequest, **named: Any) -> CouponPlan:
        coupon = _coupon(named["pk"])
        state = coupon.state_at(clock())
        return CouponPlan(
            named["name"], coupon, state, refusal(MOVES[named["name"]], coupon, state)
        )

    def do(
        self, request: HttpRequest, plan: Any, expected: str, given: dict[str, Any], **named: Any
    ) -> Report:
        plans.must_be(plan, expected)
        return Report(MOVES[named["name"]].do(plan.coupon, given), self.back(**named))

    def back(self, **named: Any) -> str:
        return reverse("admin:coupons_coupon_change", args=[named["pk"]])

    def shown(self, request: HttpRequest, plan: Any, **named: Any) -> dict[str, Any]:
        move = MOVES[named["name"]]
        return {
            "title": f"{move.title} {shown_code(request, plan.coupon.code)}",
            "says": move.says,
            "button": move.title,
            "why": plan.why,
        }


def _coupon(pk: int) -> Coupon:
    return get_object_or_404(Coupon.objects.select_related("book"), pk=pk)


class ReverseUse(ReversePage):
    """The page `.../redemptions/<redemption>/reverse/`."""

    kind = "coupons.reverse"
    final = "A reversal stays; only another use takes it again."

    def plan(self, request: HttpRequest, **named: Any) -> ReversePlan:
        found = CouponRedemption.objects.select_related("reversal", "coupon")
        redemption = get_object_or_404(found, pk=named["pk"])
        given_back = redemption.is_reversed
        return ReversePlan(self.kind, redemption, given_back, not given_back)

    def reverse(self, redemption: Any, given: dict[str, Any]) -> str:
        redeeming.reverse(redemption.pk, reason=given["reason"])
        return "The use was given back."

    def words(self, request: HttpRequest, redemption: Any) -> tuple[str, str]:
        return (
            f"Reverse a use of {shown_code(request, redemption.coupon.code)}",
            "The coupon has this use again, and its holder too. What is left of the "
            "discount it granted goes back to the budget. An order id stays used.",
        )

    def subject(self, request: HttpRequest, **named: Any) -> Any:
        return self.admin.get_object(request, str(_coupon_of(named["pk"])))

    def back(self, **named: Any) -> str:
        return reverse("admin:coupons_coupon_change", args=[_coupon_of(named["pk"])])


def _coupon_of(redemption_id: int) -> int:
    return CouponRedemption.objects.values_list("coupon_id", flat=True).get(pk=redemption_id)
