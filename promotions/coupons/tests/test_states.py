"""A coupon's life, in Python and in the database alike."""

from datetime import UTC, datetime, timedelta

import pytest

from promotions.coupons import states
from promotions.coupons.errors import BY_CODE
from promotions.coupons.states import Action, State

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("stored", "locked_until", "expires_at", "seen"),
    [
        (State.UNASSIGNED, None, None, State.UNASSIGNED),
        (State.ASSIGNED, None, AFTER, State.ASSIGNED),
        (State.ASSIGNED, None, NOW, State.EXPIRED),
        (State.LOCKED, AFTER, None, State.LOCKED),
        (State.LOCKED, NOW, None, State.ASSIGNED),
        (State.LOCKED, AFTER, BEFORE, State.EXPIRED),
        (State.REDEEMED, None, BEFORE, State.REDEEMED),
        (State.EXPIRED, None, None, State.EXPIRED),
    ],
)
def test_what_a_stored_state_means_now(stored, locked_until, expires_at, seen):
    assert states.state_at(stored, locked_until=locked_until, expires_at=expires_at, at=NOW) == seen


def test_every_action_has_an_answer_in_every_state():
    for action in Action:
        for state in State:
            code = states.refusal(action, state)
            assert code is None or code in BY_CODE


def test_only_public_codes_are_redeemed_by_anybody():
    assert states.refusal(Action.REDEEM, State.UNASSIGNED) == "coupon_not_assigned"
    assert states.refusal(Action.REDEEM, State.UNASSIGNED, is_public=True) is None
    assert states.refusal(Action.LOCK, State.UNASSIGNED, is_public=True) == "coupon_not_assigned"


def test_nothing_leads_out_of_expired():
    assert not states.MOVES[State.EXPIRED]
    assert states.can_move(State.UNASSIGNED, State.ASSIGNED)
    assert not states.can_move(State.UNASSIGNED, State.LOCKED)
