"""Who is given how many: pure rules, by example and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promotions.coupons.sharing import Member, Skipped, share_equally, share_randomly

MEMBERS = st.lists(
    st.builds(
        Member,
        user_id=st.integers(1, 10**6),
        room=st.none() | st.integers(0, 5),
        is_active=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda member: member.user_id,
)


def test_equal_shares_and_what_is_left_over():
    shared = share_equally([Member(3), Member(1), Member(2)], count=11)
    assert shared.shares == {1: 3, 2: 3, 3: 3}
    assert (shared.remainder, shared.skipped) == (2, ())


def test_who_is_at_the_limit_is_not_counted_and_who_has_too_little_room_is_skipped():
    members = [Member(1, room=0), Member(2, room=2), Member(3), Member(4, is_active=False)]
    shared = share_equally(members, count=6)
    assert shared.shares == {3: 3}
    assert shared.remainder == 3
    assert shared.skipped == (
        Skipped(1, "max_assignments_exceeded", 0),
        Skipped(2, "max_assignments_exceeded", 2),
        Skipped(4, "user_inactive", 0),
    )


def test_so_many_for_each():
    shared = share_equally([Member(1), Member(2, room=1), Member(3, room=2)], per_user=2)
    assert shared.shares == {1: 2, 3: 2}
    assert (shared.remainder, shared.skipped[0].user_id) == (0, 2)


@given(MEMBERS, st.integers(1, 60), st.integers(0, 2**53 - 1))
def test_random_shares_keep_every_bound(members, count, seed):
    shared = share_randomly(members, seed=seed, count=count)
    rooms = {member.user_id: member.room for member in members if member.is_active}
    assert shared.total + shared.remainder == count
    for user, share in shared.shares.items():
        assert 1 <= share <= (count if rooms[user] is None else rooms[user])
    room_left = any(
        room is None or room > shared.shares.get(user, 0) for user, room in rooms.items()
    )
    assert shared.remainder == 0 or not room_left
    assert shared == share_randomly(list(reversed(members)), seed=seed, count=count)
    assert {one.user_id for one in shared.skipped}.isdisjoint(shared.shares)


@given(MEMBERS, st.integers(1, 60))
def test_equal_shares_keep_every_bound(members, count):
    shared = share_equally(members, count=count)
    assert len(set(shared.shares.values())) <= 1
    assert shared.total + shared.remainder == count
    rooms = {member.user_id: member.room for member in members if member.is_active}
    assert all(rooms[user] is None or rooms[user] >= n for user, n in shared.shares.items())


@pytest.mark.parametrize("people", [5, 40])
def test_each_member_is_as_likely(people):
    members = [Member(user) for user in range(1, people + 1)]
    shared = share_randomly(members, seed=7, count=people * 1_000)
    chi_square = sum((n - 1_000) ** 2 / 1_000 for n in shared.shares.values())
    assert chi_square < 2.5 * people + 20
    assert share_randomly(members, seed=8, count=people * 1_000) != shared


def test_per_user_in_random_mode_is_so_many_in_all():
    shared = share_randomly([Member(1), Member(2), Member(3, room=0)], seed=1, per_user=4)
    assert shared.total == 8
