"""The effective status: the Python rule, its SQL twin, and that the two agree."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promotions.models import Promotion
from promotions.states import EffectiveStatus, Status, effective_status
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
    spend,
)

START, END = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("status", "paused", "left", "at", "expected"),
    [
        ("draft", False, None, START, "draft"),
        ("ended", True, None, START, "ended"),
        ("active", False, None, START - INSTANT, "scheduled"),
        ("active", False, None, START, "running"),
        ("active", False, Decimal("0.01"), END - INSTANT, "running"),
        ("active", False, Decimal(0), START, "budget_exhausted"),
        ("active", False, Decimal(0), START - INSTANT, "scheduled"),
        ("active", True, Decimal(0), START, "paused"),
        ("active", True, None, START - INSTANT, "paused"),
        ("active", False, None, END, "expired"),
        ("active", True, Decimal(0), END, "expired"),
    ],
)
def test_the_rule(status, paused, left, at, expected):
    found = effective_status(
        status=status, paused=paused, start_at=START, end_at=END, budget_left=left, at=at
    )
    assert found == expected


MOMENTS = st.sampled_from(
    [START - INSTANT, START, START + INSTANT, END - INSTANT, END, END + INSTANT]
)


@pytest.mark.django_db
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    status=st.sampled_from(Status.values),
    paused=st.booleans(),
    budget=st.sampled_from([None, 0, 10]),
    taken=st.sampled_from([0, 4, 10]),
    at=MOMENTS | st.datetimes(datetime(2026, 5, 1), datetime(2026, 8, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_python_and_sql_agree(status, paused, budget, taken, at):
    promotion = PromotionFactory(
        start_at=START,
        end_at=END,
        budget=budget,
        status=status,
        **({} if status == Status.DRAFT else {"activated_at": START}),
        **({"paused_at": START} if paused and status != Status.DRAFT else {}),
        **({"ended_at": END} if status == Status.ENDED else {}),
    )
    if budget and taken:
        spend(promotion, taken)
    promotion = Promotion.objects.get(pk=promotion.pk)
    found = [
        wanted
        for wanted in EffectiveStatus.values
        if Promotion.objects.effectively(wanted, at).filter(pk=promotion.pk).exists()
    ]
    assert found == [promotion.effective_status(at)]


@pytest.mark.django_db
def test_open_to_a_customer():
    user, pool = UserFactory(), PoolFactory()
    PoolMembershipFactory(pool=pool, user=user)
    PoolMembershipFactory(pool=pool)
    shown = [
        ActivePromotionFactory(),
        ActivePromotionFactory(users=[user, UserFactory()]),
        ActivePromotionFactory(users=[user], pools=[pool]),
        ActivePromotionFactory(pools=[PoolFactory(), pool]),
    ]
    PromotionFactory()
    EndedPromotionFactory()
    ActivePromotionFactory(users=[UserFactory()])
    ActivePromotionFactory(pools=[PoolFactory()])
    ActivePromotionFactory(is_targeted=True)
    assert list(Promotion.objects.open_to(user.pk).order_by("pk")) == shown
