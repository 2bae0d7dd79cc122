"""The pages of customers are light, and take as few queries with much to show as with little."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from promopulse.shop import coupons
from promopulse.tests.shop.browsing import logged_in
from promotions.coupons.services import holding, redeeming
from promotions.coupons.tests.factories import BookFactory, held
from promotions.discounts.tests.carts import MANY, grant
from promotions.discounts.tests.factories import CampaignFactory
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

MOST_BYTES = 60 * 1024
MOST_QUERIES = 12
PAGES = [
    "/my",
    "/my/coupons",
    "/my/coupons?tab=locked",
    "/my/coupons?tab=redeemed",
    "/my/coupons?tab=expired",
    "/my/coupons/{coupon}/use",
    "/my/coupons/{coupon}/qr",
    "/my/offers",
    "/my/offers?cart_value=60&delivery_charge=4.90&currency=USD",
    "/my/activity",
    "/my/activity?tab=coupons",
    "/my/activity?tab=subscriptions",
]
_ASSET = re.compile(r'(?:href|src)="/static/([^"]+)"')


def parts_of(page):
    """The files of ours that a page asks for."""
    return set(_ASSET.findall(page.content.decode()))


def weight(page):
    """All that comes over the wire when nothing is compressed or kept."""
    files = [Path(finders.find(name)) for name in parts_of(page)]
    return len(page.content) + sum(file.stat().st_size for file in files)


@pytest.fixture(scope="module")
def terms():
    return {"min_cart_value": 100, **MANY}


@pytest.fixture
def customer(terms):
    """Who has one of each thing, and more of it on demand."""
    client = logged_in(name="Alice")
    client.campaign = CampaignFactory(name="C" * 200, discount=terms)
    client.book = BookFactory(name="B" * 120, description="D" * 2_000, promotion=client.campaign)
    client.more = lambda: _more(client, terms)
    client.more()
    client.addresses = [page.format(coupon=client.coupon.pk) for page in PAGES]
    return client


def _more(client, terms):
    person = client.person
    client.coupon, locked, used = (held(person, client.book) for _ in range(3))
    holding.lock(locked.code, user_id=person.pk)
    redeeming.redeem(used.code, user_id=person.pk, cart=redeeming.Cart(Decimal(100)))
    grant(client.campaign, person)
    CampaignFactory(name="O" * 200, discount=terms)
    SubscriptionFactory(user=person, promotion=ActivePromotionFactory(name="S" * 200))


def queries(client):
    found = {}
    for address in client.addresses:
        client.get(address)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200, address
        found[address] = len(captured)
    return found


def test_they_take_few_queries_however_much_there_is(customer):
    few = queries(customer)
    assert {page: count for page, count in few.items() if count > MOST_QUERIES} == {}
    for _ in range(4):
        customer.more()
    assert {page: count for page, count in queries(customer).items() if count > few[page]} == {}


def test_a_full_page_weighs_little_and_has_one_stylesheet(customer):
    for _ in range(coupons.A_PAGE):
        customer.more()
    found = {}
    for address in customer.addresses:
        page = customer.get(address)
        styles = [name for name in parts_of(page) if name.endswith(".css")]
        if weight(page) > MOST_BYTES or len(styles) != 1 or "<style" in page.content.decode():
            found[address] = (weight(page), styles)
    assert found == {}


def test_the_way_in_as_well():
    page = Client().get("/login")
    assert weight(page) < MOST_BYTES
