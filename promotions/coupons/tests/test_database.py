"""What the database refuses by itself, whoever asks."""

from datetime import timedelta

import pytest
from django.db import (
    DatabaseError,
    IntegrityError,
    ProgrammingError,
    connection,
    transaction,
)

from accounts.tests.factories import UserFactory
from promopulse.lib.problems import constraint_of
from promopulse.lib.time import db_now
from promotions.coupons.errors import MaxAssignmentsExceeded
from promotions.coupons.models import (
    BookTally,
    BookUser,
    CodeBatch,
    Coupon,
    CouponBook,
    CouponRedemption,
    CouponReversal,
)
from promotions.coupons.services import assigning, holding, redeeming
from promotions.coupons.states import MOVES, State
from promotions.coupons.tests.factories import BookFactory, held, made, named

pytestmark = pytest.mark.django_db


def refused(act):
    """The constraint or problem code with which the database refuses."""
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        act()
    return constraint_of(error.value)


def update(row, **values):
    return lambda: type(row).objects.filter(pk=row.pk).update(**values)


def in_state(state):
    """A coupon brought there by the services, of a book that goes on."""
    book = BookFactory(allow_multi_redemption=True, max_redemptions_per_user=None)
    if state == State.UNASSIGNED:
        return made(book)[0]
    coupon = held(book=book)
    if state == State.LOCKED:
        holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    if state == State.REDEEMED:
        redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id)
    coupon.refresh_from_db()
    return coupon


def as_in(state, coupon):
    """Columns that agree with a state, so that only the move itself can be refused."""
    values = {"locked_until": None, "lock_token_hash": None, "redeemed_at": None, "uses": 0}
    if state == State.UNASSIGNED:
        values |= {"assigned_to_id": None, "assigned_at": None}
    if state in (State.ASSIGNED, State.LOCKED):
        values |= {
            "assigned_to_id": coupon.assigned_to_id or UserFactory().pk,
            "assigned_at": coupon.assigned_at or db_now(),
        }
    if state == State.LOCKED:
        values |= {"locked_until": db_now() + timedelta(hours=1), "lock_token_hash": b"x" * 32}
    if state == State.REDEEMED:
        values |= {"redeemed_at": db_now(), "uses": 1}
    return {"state": state, **values}


# Out of and into REDEEMED only by a redemption or its reversal; into EXPIRED only by the book.
BY_HAND = {
    (source, target)
    for source in State
    for target in MOVES[source]
    if State.REDEEMED not in (source, target) and target != State.EXPIRED and source != target
}


@pytest.mark.parametrize("source", [state for state in State if state != State.EXPIRED])
@pytest.mark.parametrize("target", list(State))
def test_raw_sql_makes_no_move_that_the_table_does_not_have(source, target):
    coupon = in_state(source)
    move = update(coupon, **as_in(target, coupon))
    if (source, target) in BY_HAND:
        move()
    elif source != target:
        assert refused(move) in {
            "coupons_coupon_moves",
            "coupons_coupon_unledgered",
            "coupons_coupon_holder",
            "coupons_coupon_not_expired",
        }


def test_expired_is_the_end(ended):
    coupon = held()
    ended(coupon.book)
    update(coupon, state=State.EXPIRED)()
    for target in (State.UNASSIGNED, State.ASSIGNED, State.LOCKED, State.REDEEMED):
        assert refused(update(coupon, **as_in(target, coupon)))


@pytest.mark.parametrize(
    "values",
    [
        {"state": State.LOCKED},
        {"state": "LOST"},
        {"locked_until": "2030-01-01T00:00:00Z"},
        {"redeemed_at": "2030-01-01T00:00:00Z"},
        {"uses": 1},
        {"uses": 2},
        {"assigned_to_id": None},
        {"assigned_at": None},
        {"state": State.REDEEMED},
        {"code": "OTHER"},
        {"max_redemptions": 2},
        {"draw_key": 7},
        {"book_id": 1},
        {"batch_id": 1},
    ],
)
def test_no_half_states_and_no_other_columns(values):
    coupon = held()
    assert refused(update(coupon, **values)).startswith("coupons_coupon_")


@pytest.mark.parametrize(
    "values",
    [
        {"assigned_at": None},
        {"assigned_to_id": None},
        {"locked_until": "2030-01-01T00:00:00Z"},
        {"lock_token_hash": b"x" * 32},
        {"redeemed_at": "2030-01-01T00:00:00Z"},
        {"uses": 1},
        {"draw_key": 7},
    ],
)
def test_a_gift_is_nothing_but_a_gift(values):
    coupon = made(BookFactory())[0]
    gift = {"state": State.ASSIGNED, "assigned_to_id": UserFactory().pk, "assigned_at": db_now()}
    assert refused(update(coupon, **(gift | values))).startswith("coupons_coupon_")
    update(coupon, **gift)()


def test_a_use_has_no_other_way():
    used = {"state": State.REDEEMED, "uses": 1, "redeemed_at": db_now()}
    assert refused(update(held(), **used)) == "coupons_coupon_unledgered"


def test_a_coupon_never_changes_hands():
    coupon = held()
    assert refused(update(coupon, assigned_to_id=UserFactory().pk)) == "coupons_coupon_holder"


def test_counters_have_no_other_way():
    coupon = held(book=BookFactory(max_assignments_per_user=2))
    holder = BookUser.objects.get(book=coupon.book)
    assert (holder.assigned, holder.redeemed) == (1, 0)
    for row, values in (
        (holder, {"assigned": 0}),
        (holder, {"redeemed": 1}),
        (BookTally.objects.get(book=coupon.book), {"assigned": 7}),
    ):
        assert refused(update(row, **values)) == "coupons_counts_unledgered"
    assert refused(holder.delete) == "coupons_counts_unledgered"
    assert refused(
        lambda: BookUser.objects.create(book=coupon.book, user=UserFactory())
    ).startswith("coupons_counts")
    assert refused(update(coupon.batch, done=0)) == "coupons_codebatch_finished"


def test_counters_follow_raw_sql_too():
    book, user = BookFactory(max_assignments_per_user=2), UserFactory()
    made(book, 5)
    give = "UPDATE coupons_coupon SET state = 'ASSIGNED', assigned_to_id = %s, assigned_at = now() "

    def assign(where, *params):
        with connection.cursor() as cursor:
            cursor.execute(give + where, [user.pk, *params])

    ids = list(Coupon.objects.values_list("pk", flat=True).order_by("pk"))
    assign("WHERE id = ANY(%s)", ids[:2])
    assert BookUser.objects.get(user=user).assigned == 2
    assert refused(lambda: assign("WHERE id = %s", ids[2])) == "max_assignments_exceeded"
    assert refused(lambda: assign("WHERE state = 'UNASSIGNED'")) == "max_assignments_exceeded"
    tally = BookTally.objects.get(book=book)
    assert (tally.unassigned, tally.assigned) == (3, 2)


def test_what_people_were_given_is_counted_from_when_it_is_limited():
    book, many, one = BookFactory(), UserFactory(), UserFactory()
    made(book, 10)
    assigning.assign(book.pk, user_id=many.pk, count=3)
    used = assigning.assign(book.pk, user_id=one.pk)[0]
    assert not BookUser.objects.exists()
    redeeming.redeem(used.code, user_id=one.pk)
    assert [(row.assigned, row.redeemed) for row in BookUser.objects.all()] == [(0, 1)]

    def limit(most):
        return update(book, max_assignments_per_user=most)

    assert refused(limit(2)) == "coupons_couponbook_limit_passed"
    limit(3)()
    assert dict(BookUser.objects.values_list("user_id", "assigned")) == {many.pk: 3, one.pk: 1}
    assert set(BookUser.objects.values_list("redeemed", flat=True)) == {0, 1}
    with pytest.raises(MaxAssignmentsExceeded):
        assigning.assign(book.pk, user_id=many.pk)
    limit(None)()
    assert set(BookUser.objects.values_list("assigned", flat=True)) == {0}
    assigning.assign(book.pk, user_id=many.pk)
    limit(4)()
    assert BookUser.objects.get(user=many).assigned == 4


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("count", [1, 2])
def test_a_coupon_is_given_to_somebody_who_is_there(limit, count):
    book = BookFactory(max_assignments_per_user=limit)
    ids = [coupon.pk for coupon in made(book, 2)]
    gift = {"state": State.ASSIGNED, "assigned_to_id": 987_654, "assigned_at": db_now()}
    given = Coupon.objects.filter(pk__in=ids[:count])
    assert refused(lambda: given.update(**gift)) in (
        "coupons_coupon_holder_known",
        "coupons_bookuser_user_id",
    )


def test_a_closed_book_gives_nobody_another_coupon_for_one_of_theirs(ended):
    def swap(theirs, other):
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE coupons_coupon coupon
                SET state = new.state, assigned_to_id = new.holder, assigned_at = new.at
                FROM (VALUES (%(theirs)s, 'UNASSIGNED', NULL, NULL),
                    (%(other)s, 'ASSIGNED', %(holder)s, now())) AS new (id, state, holder, at)
                WHERE coupon.id = new.id
                """,
                {"theirs": theirs.pk, "other": other.pk, "holder": theirs.assigned_to_id},
            )

    for limit in (None, 1):
        theirs = held(book=BookFactory(max_assignments_per_user=limit))
        other, third = made(theirs.book, 2)
        holder = theirs.assigned_to_id
        swap(theirs, other)
        other.assigned_to_id = holder
        assert theirs.book.coupons.filter(state=State.ASSIGNED).get() == other
        CouponBook.objects.filter(pk=theirs.book_id).update(is_active=False)
        assert refused(lambda: swap(other, third)) == "book_inactive"  # noqa: B023
        ended(CouponBook.objects.get(pk=theirs.book_id))
        assert refused(lambda: swap(other, third)) == "coupon_expired"  # noqa: B023


def test_people_stay():
    holder = held().assigned_to_id
    with pytest.raises(ProgrammingError, match="Cannot delete"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_user WHERE id = %s", [holder])


def test_codes_come_by_an_open_batch_of_their_book():
    book, other = BookFactory(), BookFactory()
    batch = CodeBatch.objects.create(book=book, kind="upload", total=1)
    update(book, places=2)()

    def insert(code="AAA111", **values):
        values = {
            "book": book,
            "batch": batch,
            "code": code,
            "draw_key": book.first_place,
            **values,
        }
        return lambda: Coupon.objects.create(**values)

    assert refused(insert(book=other)) == "coupons_coupon_batch"
    assert refused(insert(max_redemptions=2)) == "coupons_coupon_batch"
    assert refused(insert(batch_id=987_654)) == "coupons_coupon_batch"
    assert refused(insert(state=State.EXPIRED)) == "coupons_coupon_begins_free"
    assert refused(insert(draw_key=book.first_place - 1)) == "coupons_coupon_batch"
    assert refused(insert(draw_key=book.first_place + 2)) == "coupons_coupon_batch"
    assert refused(insert("A/B")) == "coupons_coupon_code_is_one"
    assert refused(insert("A")) == "coupons_coupon_code_is_one"
    insert()()
    assert refused(insert("AAA222", draw_key=book.first_place + 1)) == "coupons_coupon_batch"
    batch.refresh_from_db()
    assert (batch.status, batch.done) == ("done", 1)


def test_a_code_exists_once_however_it_is_written():
    named(BookFactory(), "SUMMER-20")
    batch = CodeBatch.objects.create(book=BookFactory(), kind="upload", total=2)
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        Coupon.objects.create(book=batch.book, batch=batch, code="summer 20", draw_key=0)
    assert constraint_of(error.value) == "coupons_coupon_code_once"


def test_redemptions_and_reversals_stay():
    coupon = held()
    redemption = redeeming.redeem(
        coupon.code, user_id=coupon.assigned_to_id, metadata={"a": 1}
    ).redemption
    for values in ({"user_id": 1}, {"metadata": {"b": 2}}, {"order_id": "x"}):
        assert refused(update(redemption, **values)) == "coupons_redemption_fixed"
    update(redemption, metadata={})()
    reversal = redeeming.reverse(redemption.pk)
    for act in (update(reversal, reason="x"), reversal.delete, redemption.delete, coupon.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()


@pytest.mark.parametrize(
    "model", [Coupon, CouponBook, CouponRedemption, CouponReversal, CodeBatch, BookUser]
)
def test_no_table_is_emptied(model):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"TRUNCATE {model._meta.db_table} CASCADE")


def test_a_raw_redemption_is_judged_like_any_other():
    coupon, stranger = held(), UserFactory()

    def insert(user_id):
        return lambda: CouponRedemption.objects.create(
            coupon=coupon, book=coupon.book, user_id=user_id
        )

    assert refused(insert(stranger.pk)) == "coupon_not_found"
    insert(coupon.assigned_to_id)()
    assert refused(insert(coupon.assigned_to_id)) == "coupon_redeemed"
    coupon.refresh_from_db()
    assert (coupon.state, coupon.uses) == (State.REDEEMED, 1)


def test_a_book_keeps_its_word(ended):
    book = BookFactory(allow_multi_redemption=True, max_assignments_per_user=5)
    coupon = held(book=book)
    assigning.assign_code(made(book)[0].code, user_id=coupon.assigned_to_id)
    assert refused(update(book, max_assignments_per_user=1)) == "coupons_couponbook_limit_passed"
    update(book, max_assignments_per_user=2)()
    update(book, allow_multi_redemption=False)()
    none = BookFactory()
    assert refused(update(none, max_assignments_per_user=0)).endswith("limits_positive")
    ended(book)
    assert refused(update(book, expires_at=None)) == "coupons_couponbook_ended"
    multi = BookFactory(allow_multi_redemption=True)
    made(multi, 1, max_redemptions=2)
    assert refused(update(multi, allow_multi_redemption=False)) == "coupons_couponbook_multi_in_use"
