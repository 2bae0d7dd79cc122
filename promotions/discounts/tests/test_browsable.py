"""The browsable API: campaigns and discounts in a browser, with forms that work."""

import pytest

from accounts.tests.factories import UserFactory
from promotions.discounts.models import Discount, Redemption
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.models import Promotion
from promotions.tests.admin_pages import logged_in

pytestmark = pytest.mark.django_db

API = "/api/v1"
HTML = {"Accept": "text/html"}
# The form as it comes, with what must be filled in filled in.
TYPED = {
    "name": "June",
    "description": "",
    "discount_type": "cart",
    "discount_percentage": "10",
    "discount_flat": "",
    "min_cart_value": "",
    "max_discount_amount": "",
    "max_usage_per_customer_per_day": "",
    "start_date": "2026-06-01T00:00",
    "end_date": "2026-07-01T00:00",
    "timezone": "",
    "currency": "",
    "total_budget": "100",
    "status": "",
}


@pytest.fixture
def client():
    return logged_in("admin")[0]


def test_pages_open_with_their_forms(client):
    draft = DraftCampaignFactory(name="Draft sale", budget=10)
    for path, words in (
        ("campaigns", 'name="discount_percentage"'),
        ("campaigns", "Draft sale"),
        (f"campaigns/{draft.pk}", 'name="total_budget"'),
        (f"promotions/{draft.pk}/discount", 'name="max_discount_amount"'),
        ("redemptions", "results"),
    ):
        page = client.get(f"{API}/{path}", headers=HTML)
        assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert words in page.content.decode(), path


def test_a_form_makes_a_campaign(client):
    page = client.post(f"{API}/campaigns", TYPED, headers=HTML)
    assert page.status_code == 201, page.content
    campaign = Promotion.objects.get()
    assert (campaign.status, campaign.timezone, campaign.budget.total) == ("active", "UTC", 100)
    discount = campaign.discount
    assert (discount.discount_percentage, discount.discount_flat) == (10, None)
    assert (discount.min_cart_value, discount.max_discount_amount) == (0, None)
    assert discount.max_usage_per_customer_per_day == 1


def test_a_form_changes_a_draft(client):
    draft = DraftCampaignFactory(budget=10, discount={"min_cart_value": 5})
    changed = TYPED | {"discount_type": "delivery", "name": "July"}
    page = client.put(
        f"{API}/campaigns/{draft.pk}",
        "&".join(f"{name}={value}" for name, value in changed.items()),
        content_type="application/x-www-form-urlencoded",
        headers=HTML,
    )
    assert page.status_code == 200, page.content
    discount = Discount.objects.get()
    assert (discount.discount_type, discount.discount_percentage) == ("delivery", 10)
    assert discount.min_cart_value == 5, "an empty box says nothing"
    assert Promotion.objects.get().name == "July"


def test_forms_grant_and_give_back(client):
    campaign, user = CampaignFactory(budget=10), UserFactory()
    cart = {
        "campaign_id": campaign.pk,
        "customer_id": user.pk,
        "cart_value": "50",
        "delivery_charge": "",
        "currency": "",
        "order_id": "",
    }
    assert client.post(f"{API}/discounts/apply", cart, headers=HTML).status_code == 201
    redemption = Redemption.objects.get()
    assert (redemption.amount, redemption.order_id) == (5, None)
    form = {"amount": "", "reason": "Came back"}
    page = client.post(f"{API}/redemptions/{redemption.pk}/reverse", form, headers=HTML)
    assert page.status_code == 201, page.content
    redemption.refresh_from_db()
    assert redemption.left == 0
