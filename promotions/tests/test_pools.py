"""A pool that is an audience stays."""

import pytest

from accounts.models import AuditEntry, Pool
from accounts.tests.factories import PoolFactory
from promotions.tests.factories import PromotionFactory

pytestmark = pytest.mark.django_db


def test_an_audience_is_not_removed(as_role):
    pool = PoolFactory()
    PromotionFactory(is_targeted=True).targets.create(pool=pool)
    answer = as_role("marketer").delete(f"/api/v1/pools/{pool.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "promotion_in_use")
    assert Pool.objects.filter(pk=pool.pk).exists()
    assert not AuditEntry.objects.filter(action="pool.delete").exists()
