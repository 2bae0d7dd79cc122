"""Campaigns: promotion, discount and budget in one flat body."""

import pytest

from accounts.tests.factories import PoolFactory, UserFactory
from promotions.discounts.tests.carts import everything
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.models import Promotion
from promotions.tests.factories import PromotionFactory
from promotions.tests.refusals import refused
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db

URL = "/api/v1/campaigns"
JUNE = {
    "name": "Summer Sale",
    "discount_type": "cart",
    "discount_percentage": "12.5",
    "start_date": "2026-06-01T00:00:00",
    "end_date": "2026-07-01T00:00:00",
    "total_budget": "1000.00",
}


@pytest.fixture
def marketer(as_role):
    return as_role("marketer")


def test_all_of_it_is_made_and_active_at_once(marketer):
    user = UserFactory()
    body = JUNE | {
        "description": "Words",
        "min_cart_value": "50",
        "max_discount_amount": "20.00",
        "max_usage_per_customer_per_day": 3,
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "target_customer_ids": [user.pk],
    }
    response = marketer.post(URL, body)
    assert response.status_code == 201, response.content
    answer = response.json()
    campaign = Promotion.objects.get()
    assert answer == {
        "id": campaign.pk,
        "name": "Summer Sale",
        "description": "Words",
        "discount_type": "cart",
        "discount_percentage": "12.50",
        "discount_flat": None,
        "min_cart_value": "50.00",
        "max_discount_amount": "20.00",
        "max_usage_per_customer_per_day": 3,
        "start_date": "2026-05-31T22:00:00Z",
        "end_date": "2026-06-30T22:00:00Z",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "is_targeted": True,
        "target_customer_ids": [user.pk],
        "status": "active",
        "effective_status": answer["effective_status"],
        "total_budget": "1000.00",
        "used_budget": "0.00",
        "created_at": answer["created_at"],
        "updated_at": answer["updated_at"],
    }
    assert marketer.get(f"{URL}/{campaign.pk}").json() == answer
    assert marketer.get(f"/api/v1/promotions/{campaign.pk}").json()["status"] == "active"
    assert [entry.action for entry in entries(campaign)] == [
        "promotion.create",
        "promotion.set_discount",
        "promotion.set_budget",
        "promotion.activate",
    ]


def test_what_is_left_out_has_its_default(marketer):
    answer = marketer.post(URL, JUNE).json()
    assert (answer["description"], answer["timezone"], answer["currency"]) == ("", "UTC", "USD")
    assert (answer["min_cart_value"], answer["max_discount_amount"]) == ("0.00", None)
    assert (answer["max_usage_per_customer_per_day"], answer["is_targeted"]) == (1, False)
    assert answer["target_customer_ids"] == []
    assert answer["start_date"] == "2026-06-01T00:00:00Z"


def test_a_draft_where_it_is_asked_for(marketer):
    answer = marketer.post(URL, JUNE | {"status": "draft"}).json()
    assert (answer["status"], answer["effective_status"]) == ("draft", "draft")


def test_a_flat_amount_in_a_currency_without_cents(marketer):
    body = JUNE | {"discount_flat": "500", "currency": "JPY", "total_budget": 10000}
    del body["discount_percentage"]
    answer = marketer.post(URL, body).json()
    assert (answer["discount_flat"], answer["total_budget"]) == ("500", "10000")
    assert (answer["discount_percentage"], answer["min_cart_value"]) == (None, "0")


def test_times_with_an_offset_are_what_they_are(marketer):
    body = JUNE | {"start_date": "2026-06-01T00:00:00+09:00", "timezone": "Europe/Berlin"}
    assert marketer.post(URL, body).json()["start_date"] == "2026-05-31T15:00:00Z"


def test_a_repeat_under_one_key_makes_one(marketer):
    key = {"Idempotency-Key": "k-1"}
    answers = [marketer.post(URL, JUNE, headers=key).content for _ in range(2)]
    assert answers[0] == answers[1]
    assert Promotion.objects.count() == 1


@pytest.mark.parametrize(
    ("local", "choices", "code"),
    [
        ("2026-03-29T02:30:00", "skip 02:30 on this day: enter 01:30+01:00 or 03:30+02:00", "none"),
        ("2026-10-25T02:30", "twice on this day: enter 02:30+02:00 or 02:30+01:00", "two"),
    ],
)
@pytest.mark.parametrize("field", ["start_date", "end_date"])
def test_clock_times_that_are_none_or_two_are_refused_with_the_choices(
    marketer, field, local, choices, code
):
    body = JUNE | {"start_date": "2026-01-01T00:00", "end_date": "2026-12-01T00:00"}
    body |= {"timezone": "Europe/Berlin", field: local}
    (error,) = refused(marketer.post(URL, body), f"/{field}")["errors"]
    assert choices in error["detail"]
    assert error["code"] == {"none": "nonexistent_time", "two": "ambiguous_time"}[code]
    assert not Promotion.objects.exists()
    assert marketer.post(URL, body | {"timezone": "Asia/Tokyo"}).status_code == 201


BAD_FIELDS = [
    ({"name": ""}, "/name"),
    ({"description": None}, "/description"),
    ({"discount_type": "item"}, "/discount_type"),
    ({"discount_type": None}, "/discount_type"),
    ({"discount_flat": "5.00"}, "/discount_percentage"),
    ({"discount_flat": "5.00"}, "/discount_flat"),
    ({"discount_percentage": None}, "/discount_flat"),
    ({"discount_percentage": "0"}, "/discount_percentage"),
    ({"discount_percentage": "100.01"}, "/discount_percentage"),
    ({"discount_percentage": "1.001"}, "/discount_percentage"),
    ({"discount_percentage": "NaN"}, "/discount_percentage"),
    ({"discount_percentage": True}, "/discount_percentage"),
    ({"discount_percentage": ""}, "/discount_percentage"),
    ({"discount_percentage": None, "discount_flat": "0"}, "/discount_flat"),
    ({"discount_percentage": None, "discount_flat": "0.001"}, "/discount_flat"),
    ({"start_date": "2026-06-01"}, "/start_date"),
    ({"start_date": "20260601"}, "/start_date"),
    ({"start_date": 1_780_000_000}, "/start_date"),
    ({"start_date": "0001-01-01T00:00:00"}, "/start_date"),
    ({"start_date": "1969-12-31T00:00:00"}, "/start_date"),
    ({"end_date": "9999-12-31T23:59:59"}, "/end_date"),
    ({"end_date": "2026-06-01T00:00:00"}, "/end_date"),
    ({"end_date": None}, "/end_date"),
    ({"timezone": "Mars/Olympus"}, "/timezone"),
    ({"currency": "usd"}, "/currency"),
    ({"currency": "JPY", "total_budget": "0.5"}, "/total_budget"),
    ({"currency": "JPY", "min_cart_value": "0.5"}, "/min_cart_value"),
    ({"total_budget": "0"}, "/total_budget"),
    ({"total_budget": "-1"}, "/total_budget"),
    ({"total_budget": None}, "/total_budget"),
    ({"total_budget": "1.001"}, "/total_budget"),
    ({"total_budget": "1000000000000"}, "/total_budget"),
    ({"min_cart_value": None}, "/min_cart_value"),
    ({"min_cart_value": "-0.01"}, "/min_cart_value"),
    ({"max_discount_amount": "0"}, "/max_discount_amount"),
    ({"max_usage_per_customer_per_day": 0}, "/max_usage_per_customer_per_day"),
    ({"max_usage_per_customer_per_day": 1.5}, "/max_usage_per_customer_per_day"),
    ({"max_usage_per_customer_per_day": 2**31}, "/max_usage_per_customer_per_day"),
    ({"is_targeted": "maybe"}, "/is_targeted"),
    ({"target_customer_ids": [999_999]}, "/target_customer_ids"),
    ({"target_customer_ids": ["a"]}, "/target_customer_ids/0"),
    ({"used_budget": "1"}, "/used_budget"),
    ({"effective_status": "running"}, "/effective_status"),
    ({"start_at": "2026-06-01T00:00:00Z"}, "/start_at"),
    ({"discount": 5}, "/discount"),
    ({"status": "paused"}, "/status"),
]


@pytest.mark.parametrize(("wrong", "pointer"), BAD_FIELDS)
def test_wrong_fields_are_named_and_nothing_is_made_or_changed(as_service, wrong, pointer):
    client = as_service("promotions:write")
    refused(client.post(URL, JUNE | wrong), pointer)
    assert not Promotion.objects.exists()
    draft = DraftCampaignFactory(
        budget=10, start_at="2026-06-01T00:00:00Z", end_at="2026-07-01T00:00:00Z"
    )
    before = everything(draft)
    refused(client.put(f"{URL}/{draft.pk}", JUNE | wrong), pointer)
    assert everything(draft) == before


@pytest.mark.parametrize(
    "missing",
    "name discount_type discount_percentage start_date end_date total_budget".split(),
)
def test_what_must_be_there(marketer, missing):
    refused(
        marketer.post(URL, {name: JUNE[name] for name in JUNE if name != missing}), f"/{missing}"
    )
    assert not Promotion.objects.exists()


def test_none_begins_ended(marketer):
    refused(marketer.post(URL, JUNE | {"status": "ended"}), "/status")


# Reading


def test_only_promotions_with_a_discount_are_campaigns(marketer):
    promotion = PromotionFactory()
    assert marketer.get(URL).json()["results"] == []
    for answer in (
        marketer.get(f"{URL}/{promotion.pk}"),
        marketer.put(f"{URL}/{promotion.pk}", {"name": "N"}),
        marketer.delete(f"{URL}/{promotion.pk}"),
        marketer.patch(f"{URL}/{promotion.pk}/status", {"status": "active"}),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (404, "Campaign not found")
    assert stored(promotion)["status"] == "draft"


def test_one_without_a_budget_is_unlimited(marketer):
    campaign = CampaignFactory()
    answer = marketer.get(f"{URL}/{campaign.pk}").json()
    assert (answer["total_budget"], answer["used_budget"]) == (None, None)


def test_the_list_is_filtered(marketer):
    CampaignFactory(name="cart")
    CampaignFactory(name="aimed", users=[UserFactory()])
    DraftCampaignFactory(name="delivery", discount={"discount_type": "delivery"})

    def found(**query):
        answer = marketer.get(URL, query)
        assert answer.status_code == 200
        return [row["name"] for row in answer.json()["results"]]

    assert found() == ["delivery", "aimed", "cart"]
    assert found(discount_type="delivery") == ["delivery"]
    assert found(status="active") == ["aimed", "cart"]
    assert found(is_targeted="true") == ["aimed"]
    assert found(is_targeted="false", status="active") == ["cart"]
    for query in ({"discount_type": "x"}, {"status": "x"}, {"is_targeted": "x"}):
        refused(marketer.get(URL, query))


def test_the_list_takes_as_many_queries_for_many_as_for_one(marketer, django_assert_num_queries):
    def make():
        CampaignFactory(users=[UserFactory()], pools=[PoolFactory()], budget=10)

    make()
    with django_assert_num_queries(3):  # who, which, what time
        marketer.get(URL)
    for _ in range(12):
        make()
    with django_assert_num_queries(3):
        assert len(marketer.get(URL).json()["results"]) == 13


def test_customers_see_what_is_open_to_them_and_no_money(as_role):
    customer = as_role("customer")
    shown = CampaignFactory(users=[customer.user, UserFactory()], budget=10)
    CampaignFactory(users=[UserFactory()])
    hidden = DraftCampaignFactory()
    (row,) = customer.get(URL).json()["results"]
    assert row == customer.get(f"{URL}/{shown.pk}").json()
    assert row["id"] == shown.pk
    assert not {"total_budget", "used_budget", "target_customer_ids"} & set(row)
    assert customer.get(f"{URL}/{hidden.pk}").status_code == 404
