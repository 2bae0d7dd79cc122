"""Coupons given to users: random ones, named ones, within the limits."""

from datetime import timedelta

import pytest

from accounts.errors import IdempotencyKeyReused, UserNotFound
from accounts.services.erasure import erase_user
from accounts.tests.factories import UserFactory
from promopulse.lib.errors import Invalid
from promopulse.lib.time import db_now
from promotions.coupons.errors import (
    BookExhausted,
    BookInactive,
    BookNotFound,
    CouponExpired,
    CouponNotAvailable,
    CouponNotFound,
    MaxAssignmentsExceeded,
)
from promotions.coupons.models import BookUser, Coupon
from promotions.coupons.services import assigning
from promotions.coupons.states import State
from promotions.coupons.tests.factories import BookFactory, held, made, named

pytestmark = pytest.mark.django_db


def test_random_coupons_are_given_with_their_time():
    book, user = BookFactory(max_assignments_per_user=9), UserFactory()
    made(book, 200)
    given = assigning.assign(book.pk, user_id=user.pk, count=3)
    assert len({coupon.pk for coupon in given}) == 3
    for coupon in given:
        assert (coupon.state, coupon.assigned_to_id) == (State.ASSIGNED, user.pk)
        assert db_now() - coupon.assigned_at < timedelta(seconds=10)
    assert BookUser.objects.get().assigned == 3


@pytest.mark.parametrize("size", [5, 64, 65, 150])
def test_a_book_gives_all_it_has_and_no_more(size):
    book, user = BookFactory(max_assignments_per_user=1_000), UserFactory()
    made(book, size)
    for _ in range(size // 5):
        assigning.assign(book.pk, user_id=user.pk, count=5)
    with pytest.raises(BookExhausted) as refused:
        assigning.assign(book.pk, user_id=user.pk, count=5)
    assert refused.value.params == {"left": size % 5, "wanted": 5}
    assert refused.value.detail == f"The book has {size % 5} free codes left."
    assert BookUser.objects.get().assigned == size // 5 * 5


def test_the_sixth_of_five_is_refused_with_its_numbers():
    book, user = BookFactory(max_assignments_per_user=5), UserFactory()
    extra = made(book, 10)[0]
    assigning.assign(book.pk, user_id=user.pk, count=4)
    with pytest.raises(MaxAssignmentsExceeded) as refused:
        assigning.assign(book.pk, user_id=user.pk, count=2)
    assert refused.value.params == {"used": 4, "limit": 5}
    assigning.assign(book.pk, user_id=user.pk)
    for call in (
        lambda: assigning.assign(book.pk, user_id=user.pk),
        lambda: assigning.assign_code(free_of(book).code, user_id=user.pk),
    ):
        with pytest.raises(MaxAssignmentsExceeded) as refused:
            call()
        assert refused.value.detail == "Maximum assignments exceeded (5/5)"
        assert refused.value.params == {"used": 5, "limit": 5}
    assert Coupon.objects.filter(assigned_to=user).count() == 5
    assert extra.pk


def free_of(book):
    return Coupon.objects.filter(book=book, state=State.UNASSIGNED).first()


def test_a_named_code_is_given_once():
    (coupon,) = named(BookFactory(), "GOLD-2026")
    user = UserFactory()
    given = assigning.assign_code(" gold 2026", user_id=user.pk)
    assert (given.pk, given.assigned_to_id, given.state) == (coupon.pk, user.pk, State.ASSIGNED)
    for again in (user, UserFactory()):
        with pytest.raises(CouponNotAvailable) as refused:
            assigning.assign_code("GOLD2026", user_id=again.pk)
        assert refused.value.detail == "Coupon not available"
    with pytest.raises(CouponNotFound):
        assigning.assign_code("SILVER2026", user_id=user.pk)


def test_the_same_source_id_answers_the_same_coupons():
    book, user = BookFactory(max_assignments_per_user=2), UserFactory()
    made(book, 20)
    first = assigning.assign(book.pk, user_id=user.pk, count=2, source_id="order-1")
    again = assigning.assign(book.pk, user_id=user.pk, count=2, source_id=" order-1 ")
    assert [coupon.pk for coupon in first] == [coupon.pk for coupon in again]
    assert BookUser.objects.get().assigned == 2
    for other in ({"user_id": UserFactory().pk, "count": 2}, {"user_id": user.pk, "count": 1}):
        with pytest.raises(IdempotencyKeyReused):
            assigning.assign(book.pk, source_id="order-1", **other)
    # Another book is another request.
    other_book = BookFactory()
    made(other_book, 5)
    assert assigning.assign(other_book.pk, user_id=user.pk, source_id="order-1")


def test_a_refused_request_may_be_tried_again():
    book, user = BookFactory(), UserFactory()
    with pytest.raises(BookExhausted):
        assigning.assign(book.pk, user_id=user.pk, source_id="order-1")
    made(book, 1)
    assert len(assigning.assign(book.pk, user_id=user.pk, source_id="order-1")) == 1


def test_books_that_are_over_or_off_give_nothing(ended):
    user = UserFactory()
    over, off = BookFactory(), BookFactory()
    codes = [made(book)[0].code for book in (over, off)]
    ended(over)
    off.is_active = False
    off.save()
    for book, code, refusal in ((over, codes[0], CouponExpired), (off, codes[1], BookInactive)):
        with pytest.raises(refusal):
            assigning.assign(book.pk, user_id=user.pk)
        with pytest.raises(refusal):
            assigning.assign_code(code, user_id=user.pk)
    assert not BookUser.objects.exists()


def test_only_people_who_are_there_are_given_something():
    book, gone = BookFactory(), UserFactory()
    (coupon,) = made(book)
    erase_user(gone.pk)
    for user_id in (gone.pk, 987_654):
        with pytest.raises(UserNotFound):
            assigning.assign(book.pk, user_id=user_id)
        with pytest.raises(UserNotFound):
            assigning.assign_code(coupon.code, user_id=user_id)
    with pytest.raises(BookNotFound):
        assigning.assign(987_654, user_id=gone.pk)
    for count in (0, 101):
        with pytest.raises(Invalid):
            assigning.assign(book.pk, user_id=gone.pk, count=count)


def test_a_holder_may_be_given_more():
    coupon = held(book=BookFactory(max_assignments_per_user=2))
    made(coupon.book)
    assigning.assign(coupon.book_id, user_id=coupon.assigned_to_id)
    assert BookUser.objects.get().assigned == 2
