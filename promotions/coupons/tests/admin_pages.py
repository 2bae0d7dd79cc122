"""What the admin tests of coupons share: addresses, and pages that ask before they plan."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from promotions.coupons.codes import DEFAULT_CHARSET
from promotions.coupons.models import CouponBook
from promotions.coupons.tests.factories import BookFactory

BOOKS = "/admin/coupons/couponbook/"
COUPONS = "/admin/coupons/coupon/"
BATCHES = "/admin/coupons/codebatch/"
DISTRIBUTIONS = "/admin/coupons/distribution/"
# What *Generate...* asks beside the number, as its form has it.
SHAPE = {"length": 8, "pattern": "{}", "charset": DEFAULT_CHARSET}


def book_page(book: CouponBook, tab: str = "") -> str:
    return f"{BOOKS}{book.pk}/change/{f'?tab={tab}' if tab else ''}"


def generate_page(book: CouponBook) -> str:
    return f"{BOOKS}{book.pk}/generate/"


def ask(client: Client, url: str, **asked: Any) -> Any:
    """The plan of what is asked for, or the form with what is wrong."""
    return client.get(f"{url}?{urlencode({'asked': 1, **asked})}")


def confirm(client: Client, page: Any, **given: Any) -> Any:
    """Send the form of a plan back as it is, with what was filled in."""
    address = page.wsgi_request.get_full_path()
    return client.post(address, {"plan": page.context["plan"].hash, **given})


def words_of(page: Any) -> str:
    """What a page says, in one line."""
    text = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", page.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(text).split())


def book(**fields: Any) -> CouponBook:
    made: CouponBook = BookFactory.create(**fields)
    return made
