"""Books and coupons for tests: `made(book, 10)` are ten free codes, `held(user)` is theirs."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.models import User
from accounts.tests.factories import UserFactory
from promotions.coupons.models import CodeBatch, Coupon, CouponBook
from promotions.coupons.services import assigning, batches


class BookFactory(DjangoModelFactory):
    class Meta:
        model = CouponBook

    name = factory.Sequence(lambda n: f"Book {n}")


def made(book: CouponBook, count: int = 1, **options: Any) -> list[Coupon]:
    """New free codes of a book, in the order of their ids."""
    batch = batches.generate(book.pk, count=count, **options)
    return list(Coupon.objects.filter(batch=batch).order_by("pk"))


def named(book: CouponBook, *codes: str, uses: int = 1) -> list[Coupon]:
    """Codes with these texts."""
    batch = CodeBatch.objects.create(
        book=book, kind="upload", total=len(codes), max_redemptions=uses
    )
    assert batches.insert_codes(batch, codes) == len(codes)
    return [Coupon.objects.get(code=code) for code in codes]


def held(user: User | None = None, book: CouponBook | None = None, **options: Any) -> Coupon:
    """A coupon that is somebody's."""
    user = user or UserFactory.create()
    book = book or BookFactory.create()
    (coupon,) = made(book, 1, **options)
    given: Coupon = assigning.assign_code(coupon.code, user_id=user.pk)
    return given
