"""For how many people a promotion is: exact where that costs little, else the least it can be."""

import pytest

from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from promotions.models import PromotionTarget
from promotions.previews import Reached, reach
from promotions.tests.factories import PromotionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return [UserFactory() for _ in range(5)]


def pool_of(*people):
    pool = PoolFactory()
    add_users(pool.pk, user_ids=[one.pk for one in people])
    return pool


def aimed_at(*targets):
    promotion = PromotionFactory(is_targeted=True)
    for target in targets:
        kind = "user" if type(target).__name__ == "User" else "pool"
        PromotionTarget.objects.create(promotion=promotion, **{kind: target})
    return promotion


def test_everybody_who_is_named_or_in_a_pool_counts_once(people):
    one, two = pool_of(*people[:3]), pool_of(*people[2:4])
    promotion = aimed_at(one, two, people[0], people[4])
    assert reach(promotion) == Reached(5, more=False)
    assert reach(aimed_at()) == Reached(0, more=False)
    assert reach(aimed_at(people[0])) == Reached(1, more=False)


def test_one_pool_alone_is_exact_however_large(people):
    assert reach(aimed_at(pool_of(*people)), counted_to=2) == Reached(5, more=False)


def test_a_large_pool_among_others_tells_the_least(people):
    promotion = aimed_at(pool_of(*people[:4]), pool_of(people[0]))
    assert reach(promotion, counted_to=2) == Reached(4, more=True)


def test_small_ones_are_counted_so_far(people):
    promotion = aimed_at(*(pool_of(one) for one in people))
    assert reach(promotion, counted_to=4) == Reached(4, more=True)
    assert reach(promotion, counted_to=5) == Reached(5, more=False)


def test_without_an_audience_it_is_for_every_customer(people):
    UserFactory(role="ops")
    UserFactory(is_active=False)
    promotion = PromotionFactory()
    assert reach(promotion) == Reached(5, more=False)
    assert reach(promotion, counted_to=3) == Reached(3, more=True)
