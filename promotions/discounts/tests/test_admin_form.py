"""The discount of a draft, in the promotion's own form."""

from decimal import Decimal

import pytest

from promotions import services as promotions
from promotions.discounts.models import Discount
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.models import Promotion
from promotions.tests.admin_pages import LIST, as_sent, change, logged_in
from promotions.tests.factories import PromotionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def errors(page):
    return page.context["adminform"].form.errors


def test_a_new_draft_with_its_discount(client):
    data = as_sent(client, f"{LIST}add/") | {
        "name": "June",
        "start_at_0": "2027-06-01",
        "start_at_1": "00:00",
        "end_at_0": "2027-07-01",
        "end_at_1": "00:00",
        "budget_total": "10000",
        "discount_type": "cart",
        "discount_percentage": "20",
        "max_usage_per_customer_per_day": "2",
    }
    answer = client.post(f"{LIST}add/", data)
    assert answer.status_code == 302
    discount = Discount.objects.get()
    assert (discount.discount_percentage, discount.max_usage_per_customer_per_day) == (20, 2)
    assert discount.promotion.name == "June"


def test_a_refusal_is_an_error_of_its_field_and_nothing_is_kept(client):
    data = as_sent(client, f"{LIST}add/") | {
        "name": "June",
        "start_at_0": "2027-06-01",
        "start_at_1": "00:00",
        "end_at_0": "2027-07-01",
        "end_at_1": "00:00",
        "discount_percentage": "20",
    }
    assert "discount_type" in errors(client.post(f"{LIST}add/", data))
    both = data | {"discount_type": "cart", "discount_flat": "5"}
    assert errors(client.post(f"{LIST}add/", both))
    fine = data | {"discount_type": "cart", "max_discount_amount": "0.001"}
    assert "max_discount_amount" in errors(client.post(f"{LIST}add/", fine))
    assert not Promotion.objects.exists()


def test_a_draft_keeps_changes_and_loses_its_discount(client):
    draft = DraftCampaignFactory(discount={"min_cart_value": 5})
    url = change(draft.pk)
    data = as_sent(client, url)
    assert (data["discount_type"], data["min_cart_value"]) == (["cart"], "5.00")
    client.post(url, data)
    assert Discount.objects.get().discount_percentage == 10
    client.post(url, data | {"discount_percentage": "", "discount_flat": "7.50"})
    assert Discount.objects.get().discount_flat == Decimal("7.5")
    data = as_sent(client, url)
    client.post(url, data | {"discount_type": ""})
    assert not Discount.objects.exists()
    assert client.get(url).status_code == 200


def test_what_is_active_stays_and_is_said_in_words(client):
    campaign = CampaignFactory(budget=100, discount={"max_discount_amount": 500})
    page = client.get(change(campaign.pk))
    assert "discount_type" not in page.context["adminform"].form.fields
    client.post(change(campaign.pk), as_sent(client, change(campaign.pk)) | {"discount_flat": "9"})
    assert Discount.objects.get().discount_flat is None


def test_the_preview_of_activation_says_what_it_gives(client):
    draft = DraftCampaignFactory(discount={"discount_percentage": 60})
    page = client.get(f"{LIST}move/activate/?ids={draft.pk}").content.decode()
    assert "60 % off the cart, 1 a customer a day" in page
    assert "It gives more than 50 % off." in page
    nothing = PromotionFactory()
    assert (
        "it has no discount"
        in client.get(f"{LIST}move/activate/?ids={nothing.pk}").content.decode()
    )
    promotions.change_status(draft.pk, status="active")


def test_the_list_is_narrowed_by_what_it_is_off(client):
    cart = CampaignFactory()
    delivery = CampaignFactory(discount={"discount_type": "delivery"})
    nothing = PromotionFactory()
    for wanted, found in (("cart", cart), ("delivery", delivery), ("none", nothing)):
        rows = client.get(LIST, {"type": wanted}).context["cl"].result_list
        assert [row.pk for row in rows] == [found.pk]
    assert len(client.get(LIST, {"type": "other"}).context["cl"].result_list) == 3
