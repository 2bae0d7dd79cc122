"""Offers for my cart, and the nearest one that a fuller cart would have."""

import pytest

from accounts.tests.factories import UserFactory
from promopulse.tests.shop.browsing import logged_in
from promotions.discounts.models import DiscountType
from promotions.discounts.tests.carts import grant
from promotions.discounts.tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db

CART = {"cart_value": "87.50", "delivery_charge": "4.90", "currency": "USD"}


@pytest.fixture
def client():
    return logged_in()


def offers(client, **cart):
    page = client.get("/my/offers", CART | cart)
    assert page.status_code == 200, page.content
    return page


def names(page):
    return [[one["name"] for one in group["offers"]] for group in page.context["groups"]]


def test_the_best_of_each_kind_come_first(client):
    CampaignFactory(name="Small", discount={"discount_percentage": 10})
    CampaignFactory(name="Large", discount={"discount_flat": 20})
    CampaignFactory(
        name="Van", discount={"discount_type": DiscountType.DELIVERY, "discount_flat": 9}
    )
    page = offers(client)
    assert names(page) == [["Large", "Small"], ["Van"]]
    large = page.context["groups"][0]["offers"][0]
    assert (large["saved"], large["original"], large["final"]) == ("$20", "$87.50", "$67.50")
    assert page.context["groups"][1]["offers"][0]["saved"] == "$4.90"
    assert page.content.decode().count("Best for this cart") == 2


def test_what_is_nearly_within_reach_is_said(client):
    CampaignFactory(name="Far", discount={"min_cart_value": 200})
    CampaignFactory(name="Near", discount={"discount_percentage": 20, "min_cart_value": 100})
    page = offers(client)
    assert "Add $12.50 for 20 % off the cart" in page.content.decode()
    assert page.context["missed"]["name"] == "Near"
    assert page.context["missed"]["saved"] == "$20"
    assert "Nothing for this cart" in page.content.decode()


def test_what_would_be_refused_all_the_same_is_not_dangled(client):
    used = CampaignFactory(name="Used", discount={"min_cart_value": 90})
    grant(used, client.person)
    CampaignFactory(name="Spent", budget=0, discount={"min_cart_value": 95})
    CampaignFactory(name="Yen", currency="JPY", discount={"min_cart_value": 90})
    CampaignFactory(name="Open", discount={"discount_flat": 5, "min_cart_value": 150})
    assert offers(client).context["missed"]["name"] == "Open"


def test_nothing_missed_when_nothing_is_near(client):
    CampaignFactory(discount={"min_cart_value": 10})
    assert offers(client).context["missed"] is None


def test_the_others_say_why_not_and_other_peoples_are_not_told_of(client):
    CampaignFactory(name="Far", discount={"min_cart_value": 200})
    CampaignFactory(name="Secret", users=[UserFactory()])
    page = offers(client)
    assert [one["words"] for one in page.context["reasons"]] == [
        "The cart needs 112.50 more to reach 200.00."
    ]
    assert "Secret" not in page.content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"cart_value": ""},
        {"cart_value": "NaN"},
        {"cart_value": "-1"},
        {"cart_value": "1e400"},
        {"cart_value": "1" * 40},
        {"cart_value": "0.001"},
        {"cart_value": "1.5", "currency": "JPY", "delivery_charge": ""},
        {"currency": "XYZ"},
    ],
)
def test_what_is_no_cart_is_said_at_its_field(client, wrong):
    page = client.get("/my/offers", CART | wrong)
    assert page.status_code == 422
    assert 'class="wrong"' in page.content.decode()
    assert "groups" not in page.context


def test_the_page_opens_with_nothing_asked(client):
    page = client.get("/my/offers")
    assert page.status_code == 200
    assert "Nothing for this cart" not in page.content.decode()


def test_it_counts_to_the_limit_of_the_api(rate_limits, client, as_user, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"available": "2/minute"}
    body = {"customer_id": client.person.pk, "cart_value": "1"}
    assert as_user(client.person).post("/api/v1/discounts/available", body).status_code == 200
    offers(client)
    refused = client.get("/my/offers", CART)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1


def test_viewers_have_no_offers():
    viewer = logged_in(role="viewer")
    assert viewer.get("/my/offers").status_code == 403
    assert "/my/offers" not in viewer.get("/my").content.decode()
