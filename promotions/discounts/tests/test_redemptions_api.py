"""What was granted, over HTTP: read, and given back."""

import pytest

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from promotions.discounts.models import Reversal
from promotions.discounts.tests.carts import MANY, REDEMPTIONS, grant
from promotions.discounts.tests.factories import CampaignFactory
from promotions.models import Budget
from promotions.tests.refusals import refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(as_service):
    return as_service("discounts:apply", "refunds", "read")


@pytest.fixture
def user():
    return UserFactory()


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_usage_of_a_customer(shop, user, as_user):
    first, second = CampaignFactory(), CampaignFactory()
    url = f"/api/v1/discounts/usage/{user.pk}"
    assert ids(shop.get(url)) == []
    assert ids(shop.get("/api/v1/discounts/usage/987654")) == []
    grant(first, UserFactory())
    made = [grant(first, user).pk, grant(second, user).pk]
    assert ids(shop.get(url)) == made[::-1]
    assert ids(shop.get(url, {"campaign_id": first.pk})) == made[:1]
    own = as_user(user)
    assert ids(own.get(url)) == made[::-1]
    assert own.get(f"/api/v1/discounts/usage/{UserFactory().pk}").status_code == 404
    refused(shop.get(url, {"campaign_id": "x"}), "/campaign_id")


def test_redemptions_are_filtered(shop, user, as_user):
    first, second = CampaignFactory(discount=MANY), CampaignFactory()
    other = UserFactory()
    made = [grant(first, user), grant(first, other), grant(second, user), grant(first, user)]
    a, b, c, d = (redemption.pk for redemption in made)
    assert ids(shop.get(REDEMPTIONS)) == [d, c, b, a]
    assert ids(shop.get(REDEMPTIONS, {"campaign_id": first.pk})) == [d, b, a]
    assert ids(shop.get(REDEMPTIONS, {"customer_id": user.pk})) == [d, c, a]
    assert ids(shop.get(REDEMPTIONS, {"customer_id": user.pk, "campaign_id": first.pk})) == [d, a]
    since, until = made[1].granted_at.isoformat(), made[3].granted_at.isoformat()
    assert ids(shop.get(REDEMPTIONS, {"from": since, "to": until})) == [c, b]
    refused(shop.get(REDEMPTIONS, {"from": until, "to": since}), "/to")
    refused(shop.get(REDEMPTIONS, {"from": "2026-06-01T00:00:00"}), "/from")
    own = as_user(user)
    assert ids(own.get(REDEMPTIONS)) == [d, c, a]
    assert own.get(REDEMPTIONS, {"customer_id": other.pk}).status_code == 404
    assert own.get(f"{REDEMPTIONS}/{b}").status_code == 404


@pytest.mark.parametrize("path", ["redemptions", "discounts/usage/{}"])
def test_pages_by_cursor_stay_stable(as_role, user, path, django_assert_num_queries):
    campaign = CampaignFactory(discount=MANY)
    made = [grant(campaign, user).pk for _ in range(5)]
    ops = as_role("ops")
    with django_assert_num_queries(2):  # who, which
        page = ops.get(f"/api/v1/{path.format(user.pk)}", {"limit": 2})
    assert ids(page) == made[:2:-1]
    grant(campaign, user)
    second = ops.get(page.json()["next"])
    assert ids(second) == [made[2], made[1]]
    assert ids(ops.get(second.json()["previous"])) == made[:2:-1]
    last = ops.get(second.json()["next"])
    assert (ids(last), last.json()["next"]) == ([made[0]], None)


def test_reverse_in_parts_and_then_the_rest(shop, user):
    redemption = grant(CampaignFactory(budget=100), user)
    url = f"{REDEMPTIONS}/{redemption.pk}"
    response = shop.post(f"{url}/reverse", {"amount": "2.50", "reason": "One item returned"})
    assert response.status_code == 201, response.content
    first = Reversal.objects.get()
    answer = response.json()
    assert answer == {
        "id": first.pk,
        "redemption_id": redemption.pk,
        "currency": "USD",
        "amount": "2.50",
        "reason": "One item returned",
        "created_at": answer["created_at"],
    }
    assert shop.get(url).json()["reversed_amount"] == "2.50"
    refused(shop.post(f"{url}/reverse", {"amount": "7.51"}), "/amount")
    assert shop.post(f"{url}/reverse").json()["amount"] == "7.50"
    done = shop.post(f"{url}/reverse")
    assert (done.status_code, done.json()["code"]) == (409, "already_reversed")
    assert done.json()["params"] == {"granted": "10.00"}
    assert Budget.objects.get().left == 100
    entries = AuditEntry.objects.filter(action="redemption.reverse").order_by("id")
    assert [entry.after["amount"] for entry in entries] == ["2.50", "7.50"]
    assert entries[0].actor_api_key is not None


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "", True, [1], "1e30"])
def test_wrong_amounts_give_nothing_back(shop, user, amount):
    redemption = grant(CampaignFactory(budget=100), user)
    url = f"{REDEMPTIONS}/{redemption.pk}/reverse"
    refused(shop.post(url, {"amount": amount}), "/amount")
    assert not Reversal.objects.exists()
    assert Budget.objects.get().spent == 10


def test_a_reversal_repeated_under_its_key_is_one(shop, user):
    redemption = grant(CampaignFactory(budget=100), user)
    url = f"{REDEMPTIONS}/{redemption.pk}/reverse"
    key = {"Idempotency-Key": "r-1"}
    answers = [shop.post(url, {"amount": "1"}, headers=key).content for _ in range(2)]
    assert answers[0] == answers[1]
    assert Reversal.objects.count() == 1


def test_nobody_reverses_their_own(as_user, user):
    redemption = grant(CampaignFactory(), user)
    assert as_user(user).post(f"{REDEMPTIONS}/{redemption.pk}/reverse").status_code == 403
    assert not Reversal.objects.exists()
