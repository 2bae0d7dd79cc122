"""Campaigns changed, moved on and dropped; the other doors to the same things."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.tests.factories import UserFactory
from promotions import services as promotions
from promotions.discounts.models import Discount
from promotions.discounts.tests.carts import everything
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.models import BudgetEntry, Promotion
from promotions.tests.factories import EndedPromotionFactory, PromotionFactory
from promotions.tests.refusals import refused
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db

URL = "/api/v1/campaigns"


@pytest.fixture
def marketer(as_role):
    return as_role("marketer")


def test_a_draft_changes_in_everything(marketer):
    user = UserFactory()
    draft = DraftCampaignFactory(budget=10)
    body = {
        "name": "New",
        "description": "Words",
        "discount_type": "delivery",
        "discount_flat": "4.900",
        "min_cart_value": "10.500",
        "max_discount_amount": "4.000",
        "max_usage_per_customer_per_day": 2,
        "start_date": "2026-06-01T00:00:00",
        "end_date": "2026-07-01T00:00:00",
        "timezone": "Asia/Kuwait",
        "currency": "KWD",
        "total_budget": "99.125",
        "is_targeted": True,
        "target_customer_ids": [user.pk],
    }
    response = marketer.put(f"{URL}/{draft.pk}", body)
    assert response.status_code == 200, response.content
    answer = response.json()
    times = {"start_date": "2026-05-31T21:00:00Z", "end_date": "2026-06-30T21:00:00Z"}
    expected = body | times | {"discount_percentage": None, "status": "draft"}
    assert {name: answer[name] for name in expected} == expected


def test_what_is_left_out_stays(marketer):
    campaign = DraftCampaignFactory(
        budget=10, timezone="Europe/Berlin", discount={"min_cart_value": 5}
    )
    before = everything(campaign)
    marketer.put(f"{URL}/{campaign.pk}", {"name": "New"})
    after = everything(campaign)
    assert after[0]["name"] == "New"
    assert after[1:] == before[1:]
    marketer.put(f"{URL}/{campaign.pk}", {"start_date": "2026-01-01T00:00:00"})
    assert stored(campaign)["start_at"] == datetime(2025, 12, 31, 23, tzinfo=UTC)


def test_one_kind_drops_the_other(marketer):
    draft = DraftCampaignFactory(budget=10)
    answer = marketer.put(f"{URL}/{draft.pk}", {"discount_flat": "5"}).json()
    assert (answer["discount_percentage"], answer["discount_flat"]) == (None, "5.00")
    answer = marketer.put(f"{URL}/{draft.pk}", {"discount_percentage": "5"}).json()
    assert (answer["discount_percentage"], answer["discount_flat"]) == ("5.00", None)
    refused(
        marketer.put(f"{URL}/{draft.pk}", {"discount_percentage": None}), "/discount_percentage"
    )


@pytest.mark.parametrize("factory", [DraftCampaignFactory, CampaignFactory])
def test_an_answer_sent_back_is_no_edit(marketer, factory):
    campaign = factory(budget=10, users=[UserFactory()], discount={"min_cart_value": 5})
    answer = marketer.get(f"{URL}/{campaign.pk}").json()
    read_only = {"id", "effective_status", "used_budget", "created_at", "updated_at"}
    body = {name: value for name, value in answer.items() if name not in read_only}
    response = marketer.put(f"{URL}/{campaign.pk}", body)
    assert response.status_code == 200, response.content
    assert response.json() == answer
    assert entries(campaign) == []


def test_an_active_one_changes_in_words_only(marketer):
    campaign = CampaignFactory(budget=10)
    answer = marketer.put(f"{URL}/{campaign.pk}", {"name": "New", "description": "Words"}).json()
    assert (answer["name"], answer["description"]) == ("New", "Words")
    before = everything(campaign)
    locked = {
        "name": "Newer",
        "start_date": "2026-06-01T00:00:00",
        "discount_flat": "1",
        "total_budget": "11",
        "target_customer_ids": [UserFactory().pk],
    }
    problem = refused(marketer.put(f"{URL}/{campaign.pk}", locked))
    assert problem["code"] == "field_locked"
    assert problem["params"]["fields"] == [
        "discount_flat",
        "discount_percentage",
        "is_targeted",
        "start_date",
        "target_customer_ids",
        "total_budget",
    ]
    assert everything(campaign) == before


def test_an_ended_one_changes_in_nothing(marketer):
    campaign = CampaignFactory(budget=10)
    promotions.change_status(campaign.pk, status="ended")
    problem = refused(marketer.put(f"{URL}/{campaign.pk}", {"name": "New"}))
    assert problem["params"] == {"fields": ["name"], "status": "ended"}


@pytest.mark.parametrize("change", [("USD", "JPY", "1000"), ("JPY", "USD", "10.55")])
def test_currency_and_amounts_change_together(marketer, change):
    old, new, amount = change
    draft = DraftCampaignFactory(
        currency=old,
        budget="100" if old == "JPY" else "10.50",
        discount={"discount_flat": 5 if old == "JPY" else Decimal("0.50")},
    )
    body = {"currency": new, "total_budget": amount, "discount_flat": amount}
    answer = marketer.put(f"{URL}/{draft.pk}", body).json()
    assert {name: answer[name] for name in body} == body
    if new == "JPY":
        problem = refused(marketer.put(f"{URL}/{draft.pk}", {"total_budget": "0.5"}))
        assert problem["errors"][0]["pointer"] == "/total_budget"


def test_a_currency_that_cannot_hold_what_is_stored_changes_nothing(marketer):
    draft = DraftCampaignFactory(budget="10.50", discount={"discount_flat": Decimal("0.50")})
    before = everything(draft)
    for body in ({}, {"total_budget": "99"}, {"discount_flat": "1"}):
        refused(marketer.put(f"{URL}/{draft.pk}", body | {"currency": "JPY"}), "/currency")
        assert everything(draft) == before


def test_a_draft_is_changed_and_moved_on_at_once(marketer):
    draft = DraftCampaignFactory(budget=10)
    answer = marketer.put(f"{URL}/{draft.pk}", {"total_budget": "20", "status": "active"}).json()
    assert (answer["total_budget"], answer["status"]) == ("20.00", "active")
    before = everything(draft)
    problem = refused(marketer.put(f"{URL}/{draft.pk}", {"name": "New", "status": "draft"}))
    assert problem["code"] == "invalid_transition"
    assert everything(draft) == before


# Moving and dropping


@pytest.mark.parametrize("where", ["body", "query", "form"])
def test_status_moves_by_body_or_query(marketer, where):
    draft = DraftCampaignFactory(budget=10)
    url = f"{URL}/{draft.pk}/status"

    def move(status):
        if where == "body":
            return marketer.patch(url, {"status": status, "reason": "Go"})
        kind = "json" if where == "query" else "multipart"
        return marketer.patch(f"{url}?status={status}", {"reason": "Go"}, format=kind)

    assert refused(move("ended"))["code"] == "invalid_transition"
    answer = move("active")
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert entries(draft)[-1].reason == "Go"
    assert move("active").status_code == 200
    assert move("ended").json()["effective_status"] == "ended"
    refused(move("gone"), "/status")


def test_status_by_query_needs_no_body(marketer):
    draft = DraftCampaignFactory()
    assert marketer.patch(f"{URL}/{draft.pk}/status?status=active").json()["status"] == "active"
    refused(marketer.patch(f"{URL}/{draft.pk}/status"), "/status")
    refused(marketer.patch(f"{URL}/{draft.pk}/status?status=active", ["x"]))


def test_a_draft_goes_with_all_of_it(marketer):
    draft = DraftCampaignFactory(budget=10, users=[UserFactory()])
    assert marketer.delete(f"{URL}/{draft.pk}").status_code == 204
    assert not Promotion.objects.exists()
    assert not Discount.objects.exists()
    assert not BudgetEntry.objects.exists()


def test_anything_but_a_draft_is_in_use(marketer):
    campaign = CampaignFactory(budget=10)
    answer = marketer.delete(f"{URL}/{campaign.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "promotion_in_use")
    assert answer.json()["params"] == {"status": "active"}
    assert answer.json()["detail"] == "A promotion that is active cannot be deleted."
    assert Discount.objects.exists()


# The other doors to the same things


def test_the_discount_of_a_promotion(marketer, as_role):
    draft = PromotionFactory(currency="EUR")
    url = f"/api/v1/promotions/{draft.pk}/discount"
    assert marketer.get(url).json()["detail"] == "The promotion gives no discount"
    body = {"discount_type": "cart", "discount_percentage": 10, "min_cart_value": 5}
    answer = marketer.put(url, body)
    assert answer.status_code == 200
    assert answer.json() == {
        "promotion_id": draft.pk,
        "currency": "EUR",
        "discount_type": "cart",
        "discount_percentage": "10.00",
        "discount_flat": None,
        "min_cart_value": "5.00",
        "max_discount_amount": None,
        "max_usage_per_customer_per_day": 1,
    }
    assert marketer.get(url).json() == answer.json()
    assert [row["id"] for row in marketer.get(URL).json()["results"]] == [draft.pk]
    assert as_role("customer").get(url).json()["detail"] == "Promotion not found"
    refused(marketer.put(url, body | {"discount_flat": 1}), "/discount_flat")
    refused(marketer.put(url, body | {"total_budget": 1}), "/total_budget")
    refused(marketer.put(url, {"discount_percentage": 1}), "/discount_type")
    promotions.change_status(draft.pk, status="active")
    assert marketer.put(url, body).status_code == 200
    problem = refused(marketer.put(url, body | {"min_cart_value": 6}), "/min_cart_value")
    assert problem["params"] == {"fields": ["min_cart_value"], "status": "active"}
    assert refused(marketer.delete(url))["code"] == "field_locked"
    assert as_role("customer").get(url).status_code == 200


def test_the_discount_of_a_draft_is_taken_away(marketer):
    draft = DraftCampaignFactory()
    url = f"/api/v1/promotions/{draft.pk}/discount"
    assert marketer.delete(url).status_code == 204
    assert marketer.delete(url).status_code == 404
    assert marketer.get(f"{URL}/{draft.pk}").status_code == 404


def test_a_copy_has_the_discount(marketer):
    campaign = CampaignFactory(budget=100, discount={"min_cart_value": 5})
    answer = marketer.post(f"/api/v1/promotions/{campaign.pk}/duplicate", {"reason": "Again"})
    assert answer.status_code == 201
    copy = marketer.get(f"{URL}/{answer.json()['id']}").json()
    assert (copy["status"], copy["total_budget"], copy["used_budget"]) == (
        "draft",
        "100.00",
        "0.00",
    )
    assert copy["min_cart_value"] == "5.00"
    plain = EndedPromotionFactory()
    assert marketer.post(f"/api/v1/promotions/{plain.pk}/duplicate").status_code == 201
