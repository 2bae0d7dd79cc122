"""The subscriptions routes: shapes, access, filters, pages, query counts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import Scope
from accounts.tests.factories import UserFactory
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from subscriptions import services
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/subscriptions"


def ids(response):
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_subscribe_answers_the_subscription(as_role):
    user, promotion = UserFactory(), ActivePromotionFactory()
    body = {"user_id": user.pk, "promotion_id": promotion.pk, "metadata": {"via": "shop"}}
    response = as_role("ops").post(URL, body)
    assert response.status_code == 201
    made = Subscription.objects.get()
    assert response.json() == {
        "id": made.pk,
        "user_id": user.pk,
        "promotion_id": promotion.pk,
        "is_active": True,
        "subscribed_at": made.subscribed_at.isoformat().replace("+00:00", "Z"),
        "deactivated_at": None,
        "metadata": {"via": "shop"},
    }


def test_refusals_are_problems_with_their_code(as_role):
    client, user = as_role("marketer"), UserFactory()
    draft = client.post(URL, {"user_id": user.pk, "promotion_id": PromotionFactory().pk})
    assert (draft.status_code, draft.json()["code"]) == (422, "promotion_not_active")
    missing = client.post(URL, {"user_id": user.pk, "promotion_id": 2**62})
    assert (missing.status_code, missing.json()["detail"]) == (404, "Promotion not found")
    nobody = client.post(URL, {"user_id": 2**62, "promotion_id": ActivePromotionFactory().pk})
    assert (nobody.status_code, nobody.json()["detail"]) == (404, "User not found")
    existing = SubscriptionFactory()
    pair = {"user_id": existing.user_id, "promotion_id": existing.promotion_id}
    again = client.post(URL, pair)
    assert (again.status_code, again.json()["code"]) == (409, "already_subscribed")
    assert again.json()["params"] == {"subscription_id": existing.pk, "is_active": True}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/user_id"),
        ({"user_id": 0, "promotion_id": 1}, "/user_id"),
        ({"user_id": 2**63, "promotion_id": 1}, "/user_id"),
        ({"user_id": True, "promotion_id": 1}, "/user_id"),
        ({"user_id": 1, "promotion_id": "x"}, "/promotion_id"),
        ({"user_id": 1, "promotion_id": 1, "is_active": False}, "/is_active"),
        ({"user_id": 1, "promotion_id": 1, "metadata": []}, "/metadata"),
        ({"user_id": 1, "promotion_id": 1, "metadata": {"a": "b" * 5000}}, "/metadata"),
        ([], ""),
    ],
)
def test_bad_bodies_are_named(as_role, body, pointer):
    response = as_role("ops").post(URL, body)
    assert response.status_code == 422
    assert pointer in [error["pointer"] for error in response.json()["errors"]]


def test_one_idempotency_key_has_one_effect(as_role):
    client = as_role("ops")
    body = {"user_id": UserFactory().pk, "promotion_id": ActivePromotionFactory().pk}
    first, second = (client.post(URL, body, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("query", ["", "?is_active=true", "?user_id=1&promotion_id=1"])
def test_a_list_wants_exactly_one_id(as_role, query):
    response = as_role("ops").get(URL + query)
    assert response.status_code == 422
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [
        ("/user_id", "exactly_one"),
        ("/promotion_id", "exactly_one"),
    ]


def test_lists_are_filtered_and_newest_first(as_role):
    client, user, promotion = as_role("ops"), UserFactory(), ActivePromotionFactory()
    start = datetime(2026, 5, 1, tzinfo=UTC)
    of_user = [
        SubscriptionFactory(user=user, subscribed_at=start + timedelta(hours=hours))
        for hours in (2, 1, 3)
    ]
    by_promotion = SubscriptionFactory(promotion=promotion)
    services.deactivate(of_user[2].pk)
    newest_first = [of_user[2].pk, of_user[0].pk, of_user[1].pk]
    assert ids(client.get(f"{URL}?user_id={user.pk}")) == newest_first
    assert ids(client.get(f"{URL}?user_id={user.pk}&is_active=true")) == newest_first[1:]
    assert ids(client.get(f"{URL}?user_id={user.pk}&is_active=false")) == newest_first[:1]
    assert ids(client.get(f"{URL}?promotion_id={promotion.pk}")) == [by_promotion.pk]
    page = client.get(f"{URL}?user_id={user.pk}&limit=2").json()
    assert page["count"] == 3
    assert page["previous"] is None
    assert ids(client.get(page["next"])) == newest_first[2:]
    assert client.get(f"{URL}?user_id=x").status_code == 422
    assert client.get(f"{URL}?user_id={user.pk}&is_active=maybe").status_code == 422
    assert client.get(f"{URL}?user_id={2**63}").status_code == 422


@pytest.mark.parametrize("rows", [1, 30])
def test_a_list_costs_the_same_queries_at_any_length(as_role, rows):
    client, promotion = as_role("ops"), ActivePromotionFactory()
    SubscriptionFactory.create_batch(rows, promotion=promotion)
    with CaptureQueriesContext(connection) as queries:
        assert len(ids(client.get(f"{URL}?promotion_id={promotion.pk}"))) == rows
    assert len(queries) == 2  # who asks, the page


def test_customers_see_and_touch_only_their_own(as_role):
    client = as_role("customer")
    promotion = ActivePromotionFactory()
    own = SubscriptionFactory(user=client.user, promotion=promotion)
    other = SubscriptionFactory(promotion=promotion)
    assert ids(client.get(f"{URL}?promotion_id={promotion.pk}")) == [own.pk]
    assert ids(client.get(f"{URL}?user_id={client.user.pk}")) == [own.pk]
    assert client.get(f"{URL}?user_id={other.user_id}").status_code == 404
    body = {"user_id": other.user_id, "promotion_id": ActivePromotionFactory().pk}
    assert client.post(URL, body).status_code == 404
    assert client.patch(f"{URL}/{other.pk}/deactivate").status_code == 404
    assert client.patch(f"{URL}/{own.pk}/deactivate").status_code == 200
    assert client.patch(f"{URL}/{own.pk}/reactivate").json()["is_active"] is True
    other.refresh_from_db()
    assert other.is_active


def test_deactivate_and_reactivate_answers(as_role):
    client, subscription = as_role("marketer"), SubscriptionFactory()
    gone = client.patch(f"{URL}/{subscription.pk}/deactivate")
    assert gone.status_code == 200
    assert gone.json()["is_active"] is False
    assert gone.json()["deactivated_at"]
    twice = client.patch(f"{URL}/{subscription.pk}/deactivate")
    assert (twice.status_code, twice.json()["code"]) == (422, "already_inactive")
    for _ in range(2):
        back = client.patch(f"{URL}/{subscription.pk}/reactivate")
        assert back.status_code == 200
        assert back.json()["deactivated_at"] is None
    assert client.patch(f"{URL}/{subscription.pk}/reactivate", {"x": 1}).status_code == 422
    assert client.patch(f"{URL}/{2**70}/reactivate").status_code == 404
    assert client.patch(f"{URL}/{subscription.pk + 1}/deactivate").status_code == 404


def test_who_may(anonymous, as_service):
    assert anonymous.get(f"{URL}?user_id=1").status_code == 401
    assert anonymous.post(URL, {}).status_code == 401
    subscription = SubscriptionFactory()
    reader, writer = as_service(Scope.READ), as_service(Scope.CUSTOMERS_WRITE)
    assert reader.get(f"{URL}?user_id={subscription.user_id}").status_code == 200
    assert reader.patch(f"{URL}/{subscription.pk}/deactivate").status_code == 403
    assert writer.patch(f"{URL}/{subscription.pk}/deactivate").status_code == 200


def test_final_slash_and_old_prefix_answer_too(as_role):
    client, subscription = as_role("ops"), SubscriptionFactory()
    for url in (f"{URL}/", "/subscriptions", "/subscriptions/"):
        assert ids(client.get(f"{url}?user_id={subscription.user_id}")) == [subscription.pk]
