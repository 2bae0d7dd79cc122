"""Fixtures of the pages' tests."""

from promotions.coupons.tests.conftest import clock, ended

__all__ = ["clock", "ended"]
