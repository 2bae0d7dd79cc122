"""Fixtures of the coupons' tests."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from rest_framework.test import APIClient

from promopulse.lib.time import db_now
from promotions.coupons.models import CouponBook


@pytest.fixture
def clock() -> Callable[[timedelta], None]:
    """Puts the clock that coupons are judged by forward, within the test's transaction."""

    def forward(by: timedelta) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION coupons_clock() RETURNS timestamptz LANGUAGE sql "
                f"VOLATILE AS 'SELECT clock_timestamp() + interval ''{by.total_seconds()} s'''"
            )

    return forward


@pytest.fixture
def ended() -> Callable[[CouponBook], CouponBook]:
    """Lets a book end a moment ago."""

    def end(book: CouponBook) -> CouponBook:
        book.expires_at = db_now()
        book.save(update_fields=["expires_at"])
        return book

    return end


@pytest.fixture
def shop(as_service: Callable[..., APIClient]) -> APIClient:
    """A shop's client: it assigns, redeems, reads, refunds and writes."""
    return as_service("coupons:redeem", "read", "refunds", "promotions:write")
