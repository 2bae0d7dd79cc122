"""Coupons used: how often, by whom, with which discount; and given back."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.errors import UserNotFound
from accounts.models import AuditEntry
from accounts.services.erasure import erase_user
from accounts.tests.factories import UserFactory
from promopulse.lib.errors import Invalid
from promopulse.lib.problems import constraint_of
from promopulse.lib.time import db_now
from promotions.coupons import states
from promotions.coupons.errors import (
    BY_CODE,
    AlreadyReversed,
    BookInactive,
    CouponExpired,
    CouponLocked,
    CouponNotAssigned,
    CouponNotFound,
    CouponRedeemed,
    MaxRedemptionsExceeded,
    RedemptionNotFound,
)
from promotions.coupons.models import BookUser, Coupon, CouponRedemption
from promotions.coupons.services import holding, redeeming
from promotions.coupons.services.redeeming import Cart
from promotions.coupons.states import Action, State
from promotions.coupons.tests.factories import BookFactory, held, made, named
from promotions.discounts import services as discounts
from promotions.discounts.errors import BudgetExhausted, MinCartValueNotMet
from promotions.discounts.models import Redemption
from promotions.discounts.tests.factories import CampaignFactory
from promotions.models import Budget

pytestmark = pytest.mark.django_db


def redeem(coupon, user_id=None, **options):
    return redeeming.redeem(coupon.code, user_id=user_id or coupon.assigned_to_id, **options)


def stored(coupon):
    return Coupon.objects.get(pk=coupon.pk)


def test_a_single_use_code_is_used_once():
    coupon = held()
    done = redeem(coupon, metadata={"till": 7}, order_id="o-1")
    assert (done.coupon.state, done.coupon.uses_left) == (State.REDEEMED, 0)
    assert (done.redemption.user_id, done.redemption.metadata) == (
        coupon.assigned_to_id,
        {"till": 7},
    )
    assert done.discount is None
    with pytest.raises(CouponRedeemed) as refused:
        redeem(coupon)
    assert refused.value.detail == "Terminal state"
    assert CouponRedemption.objects.count() == 1
    assert BookUser.objects.get().redeemed == 1
    entry = AuditEntry.objects.get(action="coupon.redeem")
    assert entry.after["redemption_id"] == done.redemption.pk


def test_a_locked_coupon_needs_its_token():
    coupon = held()
    lock = holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    with pytest.raises(CouponLocked) as refused:
        redeem(coupon)
    assert refused.value.detail == "Cannot redeem LOCKED coupon"
    done = redeem(coupon, lock_token=lock.token)
    assert (done.coupon.state, done.coupon.locked_until) == (State.REDEEMED, None)
    assert done.redemption.good_until == lock.locked_until


def test_a_code_of_many_uses_is_used_up_by_its_last():
    book = BookFactory(allow_multi_redemption=True)
    coupon = held(book=book, max_redemptions=3)
    for left in (2, 1):
        done = redeem(coupon)
        assert (done.coupon.state, done.coupon.uses_left) == (State.ASSIGNED, left)
    assert redeem(coupon).coupon.state == State.REDEEMED
    with pytest.raises(CouponRedeemed):
        redeem(coupon)


def test_a_lock_of_a_code_of_many_uses_is_for_one_use():
    book = BookFactory(allow_multi_redemption=True)
    coupon = held(book=book, max_redemptions=3)
    lock = holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    assert redeem(coupon, lock_token=lock.token).coupon.state == State.ASSIGNED
    assert stored(coupon).lock_token_hash is None


def test_a_user_has_so_many_uses_of_a_book():
    book = BookFactory(allow_multi_redemption=True, max_redemptions_per_user=2)
    first = held(book=book, max_redemptions=5)
    second = held(first.assigned_to, book, max_redemptions=5)
    redeem(first)
    redeem(second)
    for coupon in (first, second):
        with pytest.raises(MaxRedemptionsExceeded) as refused:
            redeem(coupon)
        assert refused.value.params == {"used": 2, "limit": 2}
    assert BookUser.objects.get(user=first.assigned_to).redeemed == 2
    assert stored(first).uses == 1


def test_anybody_redeems_a_public_code_once_each():
    book = BookFactory(
        requires_assignment=False, allow_multi_redemption=True, max_redemptions_per_user=1
    )
    (code,) = named(book, "SUMMER20", uses=3)
    people = [UserFactory() for _ in range(4)]
    for number, person in enumerate(people[:3], start=1):
        done = redeem(code, person.pk, by_holder=True)
        assert done.coupon.uses == number
        assert done.coupon.state == (State.REDEEMED if number == 3 else State.UNASSIGNED)
    with pytest.raises(CouponRedeemed):
        redeem(code, people[3].pk)
    (other,) = named(book, "SUMMER21", uses=3)
    with pytest.raises(MaxRedemptionsExceeded):
        redeem(other, people[0].pk)
    assert redeem(other, people[3].pk).coupon.uses == 1


def test_codes_that_are_nobodys_are_told_of_to_services_only():
    (coupon,) = made(BookFactory())
    user = UserFactory()
    with pytest.raises(CouponNotAssigned):
        redeem(coupon, user.pk)
    with pytest.raises(CouponNotFound):
        redeem(coupon, user.pk, by_holder=True)
    assert not BookUser.objects.exists()


def test_books_that_are_over_or_off_redeem_nothing(ended):
    over, off = held(), held()
    ended(over.book)
    off.book.is_active = False
    off.book.save()
    with pytest.raises(CouponExpired):
        redeem(over)
    with pytest.raises(BookInactive):
        redeem(off)
    assert not CouponRedemption.objects.exists()


def test_what_was_used_stays_used_when_its_book_ends(ended):
    coupon = held()
    redeem(coupon)
    ended(coupon.book)
    with pytest.raises(CouponRedeemed):
        redeem(coupon)


def test_people_who_are_gone_redeem_nothing():
    coupon = held()
    erase_user(coupon.assigned_to_id)
    with pytest.raises(UserNotFound):
        redeem(coupon)
    assert stored(coupon).uses == 0


@pytest.mark.parametrize("metadata", [{"a": "x" * 5_000}, {"a": float("nan")}])
def test_metadata_has_its_bounds(metadata):
    with pytest.raises(Invalid):
        redeem(held(), metadata=metadata)


@pytest.mark.parametrize("is_public", [False, True])
@pytest.mark.parametrize("state", list(State))
def test_the_database_refuses_with_the_codes_of_the_table(state, is_public, ended):
    """The trigger is the twin of states.refusal."""
    book = BookFactory(requires_assignment=not is_public)
    coupon = made(book)[0] if state == State.UNASSIGNED else held(book=book)
    user = coupon.assigned_to_id or UserFactory().pk
    if state == State.LOCKED:
        holding.lock(coupon.code, user_id=user)
    if state == State.REDEEMED:
        redeem(coupon)
    if state == State.EXPIRED:
        ended(book)
    code = states.refusal(Action.REDEEM, state, is_public=is_public)
    if code is None:
        redeem(coupon, user)
    else:
        with pytest.raises(BY_CODE[code]):
            redeem(coupon, user)


# Deadlines and commits


def commit():
    """What a commit does with the deferred triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def commit_late(act, freeze):
    """Act, be frozen, wake and commit; gives what the commit was refused with."""
    try:
        with transaction.atomic():
            act()
            freeze()
            commit()
    except IntegrityError as error:
        return constraint_of(error)
    return None


def test_who_freezes_past_the_locks_deadline_commits_nothing(clock):
    coupon = held()
    lock = holding.lock(coupon.code, user_id=coupon.assigned_to_id, seconds=5)
    commit()
    refused = commit_late(
        lambda: redeem(coupon, lock_token=lock.token), lambda: clock(timedelta(seconds=6))
    )
    assert refused == "lock_token_mismatch"
    assert (stored(coupon).state, stored(coupon).uses) == (State.LOCKED, 0)


def test_who_freezes_past_the_books_end_commits_nothing(clock):
    coupon = held()
    coupon.book.expires_at = db_now() + timedelta(seconds=30)
    coupon.book.save()
    commit()
    refused = commit_late(lambda: redeem(coupon), lambda: clock(timedelta(seconds=31)))
    assert refused == "coupon_expired"
    assert stored(coupon).uses == 0


# Reversals


def test_a_use_is_given_back_once():
    book = BookFactory(allow_multi_redemption=True, max_redemptions_per_user=1)
    coupon = held(book=book)
    done = redeem(coupon)
    reversal = redeeming.reverse(done.redemption.pk, reason="Returned")
    assert reversal.reason == "Returned"
    row = stored(coupon)
    assert (row.state, row.uses, row.redeemed_at) == (State.ASSIGNED, 0, None)
    assert BookUser.objects.get().redeemed == 0
    with pytest.raises(AlreadyReversed):
        redeeming.reverse(done.redemption.pk)
    assert redeem(coupon).coupon.state == State.REDEEMED
    with pytest.raises(RedemptionNotFound):
        redeeming.reverse(987_654)


def test_a_public_code_is_open_again_after_a_reversal():
    book = BookFactory(requires_assignment=False)
    (code,) = named(book, "WELCOME")
    done = redeem(code, UserFactory().pk)
    assert done.coupon.state == State.REDEEMED
    redeeming.reverse(done.redemption.pk)
    assert stored(code).state == State.UNASSIGNED


def test_a_reversal_leaves_the_next_lock_alone():
    book = BookFactory(allow_multi_redemption=True)
    coupon = held(book=book, max_redemptions=2)
    done = redeem(coupon)
    lock = holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    redeeming.reverse(done.redemption.pk)
    assert redeem(coupon, lock_token=lock.token).coupon.uses == 1


# Discounts


def of_campaign(**options):
    campaign = CampaignFactory(**options)
    return held(book=BookFactory(promotion=campaign)), campaign


def test_a_book_of_a_promotion_grants_its_discount():
    coupon, campaign = of_campaign(budget=100)
    with pytest.raises(Invalid) as refused:
        redeem(coupon)
    assert refused.value.errors[0]["pointer"] == "/cart_value"
    assert stored(coupon).uses == 0
    done = redeem(coupon, cart=Cart(Decimal(80)), order_id="o-1")
    assert done.discount.amount == Decimal(8)
    assert (done.discount.order_id, done.discount.promotion_id) == ("o-1", campaign.pk)
    assert CouponRedemption.objects.get().discount_id == done.discount.pk
    assert Budget.objects.get().spent == Decimal(8)


def test_a_refused_discount_leaves_the_coupon_as_it_was():
    coupon, _campaign = of_campaign(budget=5, discount={"discount_flat": 5, "min_cart_value": 50})
    lock = holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    before = Coupon.objects.filter(pk=coupon.pk).values().get()
    with pytest.raises(MinCartValueNotMet):
        redeem(coupon, cart=Cart(Decimal(49)), lock_token=lock.token)
    assert Coupon.objects.filter(pk=coupon.pk).values().get() == before
    assert not BookUser.objects.exists()
    assert not CouponRedemption.objects.exists()
    assert not Redemption.objects.exists()
    assert redeem(coupon, cart=Cart(Decimal(50)), lock_token=lock.token).discount


def test_a_budget_that_has_less_redeems_for_what_it_has():
    coupon, campaign = of_campaign(budget=3, discount={"discount_flat": 5})
    done = redeem(coupon, cart=Cart(Decimal(50)))
    assert (done.discount.amount, done.discount.limited_by) == (Decimal(3), "budget")
    assert done.coupon.state == State.REDEEMED
    other = held(book=coupon.book)
    with pytest.raises(BudgetExhausted):
        redeem(other, cart=Cart(Decimal(50)))
    assert stored(other).state == State.ASSIGNED
    assert campaign.pk


def test_a_reversal_gives_use_and_discount_back_once():
    coupon, _campaign = of_campaign(budget=100)
    done = redeem(coupon, cart=Cart(Decimal(80)))
    redeeming.reverse(done.redemption.pk)
    assert Budget.objects.get().spent == 0
    assert stored(coupon).state == State.ASSIGNED
    with pytest.raises(AlreadyReversed):
        redeeming.reverse(done.redemption.pk)
    assert Redemption.objects.get().reversed == Decimal(8)


@pytest.mark.parametrize("amount", [Decimal(3), None])
def test_what_was_given_back_of_the_discount_before_is_not_given_back_again(amount):
    coupon, _campaign = of_campaign(budget=100)
    done = redeem(coupon, cart=Cart(Decimal(80)))
    discounts.reverse(done.discount.pk, amount=amount)
    redeeming.reverse(done.redemption.pk)
    assert Redemption.objects.get().reversed == Decimal(8)
    assert Budget.objects.get().spent == 0
    assert stored(coupon).uses == 0
