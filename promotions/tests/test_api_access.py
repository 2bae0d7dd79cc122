"""Who sees and does what with promotions."""

import pytest

from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.trail import stored

pytestmark = pytest.mark.django_db

URL = "/api/v1/promotions"
JUNE = {"name": "June", "start_at": "2026-06-01T00:00:00Z", "end_at": "2026-07-01T00:00:00Z"}

WRITES = [
    ("post", "", JUNE, PromotionFactory),
    ("patch", "/{pk}", {"name": "New"}, PromotionFactory),
    ("delete", "/{pk}", None, PromotionFactory),
    ("post", "/{pk}/status", {"status": "active"}, PromotionFactory),
    ("patch", "/{pk}/status", {"status": "active"}, PromotionFactory),
    ("post", "/{pk}/pause", None, ActivePromotionFactory),
    ("post", "/{pk}/resume", None, ActivePromotionFactory),
    ("post", "/{pk}/duplicate", None, EndedPromotionFactory),
    ("put", "/{pk}/budget", {"total": 1}, PromotionFactory),
    ("post", "/{pk}/budget/top-up", {"amount": 1}, ActivePromotionFactory),
]
INTERNALS = ["/{pk}/history", "/{pk}/budget", "/{pk}/budget/entries"]


@pytest.fixture
def callers(anonymous, as_role, as_service):
    return {role: as_role(role) for role in ("customer", "marketer", "ops", "admin")} | {
        "anonymous": anonymous,
        "writer": as_service("promotions:write"),
        "reader": as_service("read"),
        "stranger": as_service("events:write", "customers:write"),
    }


@pytest.mark.parametrize(("method", "path", "body", "factory"), WRITES)
def test_marketers_admins_and_their_services_write(callers, method, path, body, factory):
    writers = {name: callers.pop(name) for name in ("marketer", "admin", "writer")}
    promotion = factory(budget=10)
    row = stored(promotion)
    statuses = {
        name: getattr(client, method)(f"{URL}{path.format(pk=promotion.pk)}", body).status_code
        for name, client in callers.items()
    }
    assert statuses.pop("anonymous") == 401
    assert set(statuses.values()) == {403}
    assert stored(promotion) == row
    for client in writers.values():
        url = f"{URL}{path.format(pk=factory(budget=10).pk)}"
        assert getattr(client, method)(url, body).status_code in (200, 201, 204)


@pytest.mark.parametrize("path", INTERNALS)
def test_staff_and_reading_services_see_budget_and_history(callers, path):
    url = f"{URL}{path.format(pk=ActivePromotionFactory(budget=10).pk)}"
    statuses = {name: client.get(url).status_code for name, client in callers.items()}
    assert statuses == {
        "anonymous": 401,
        "customer": 403,
        "marketer": 200,
        "ops": 200,
        "admin": 200,
        "reader": 200,
        "writer": 403,
        "stranger": 403,
    }


def test_staff_and_reading_services_see_every_promotion(callers):
    promotion = PromotionFactory()
    for url in (URL, f"{URL}/{promotion.pk}"):
        statuses = {name: client.get(url).status_code for name, client in callers.items()}
        assert {name for name, status in statuses.items() if status == 200} - {"customer"} == {
            "marketer",
            "ops",
            "admin",
            "reader",
        }
        assert statuses["anonymous"] == 401
        assert statuses["stranger"] == 403


def test_customers_see_what_is_active_and_open_to_them(as_role):
    customer = as_role("customer")
    pool = PoolFactory()
    PoolMembershipFactory(pool=pool, user=customer.user)
    shown = [
        ActivePromotionFactory(),
        ActivePromotionFactory(users=[customer.user]),
        ActivePromotionFactory(pools=[pool]),
    ]
    hidden = [
        PromotionFactory(),
        EndedPromotionFactory(),
        ActivePromotionFactory(users=[UserFactory()]),
        ActivePromotionFactory(pools=[PoolFactory()]),
    ]
    rows = customer.get(URL, {"ordering": "id"}).json()["results"]
    assert [row["id"] for row in rows] == [promotion.pk for promotion in shown]
    for promotion in shown:
        assert customer.get(f"{URL}/{promotion.pk}").status_code == 200
    for promotion in hidden:
        answer = customer.get(f"{URL}/{promotion.pk}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "Promotion not found")
    assert customer.get(URL, {"status": "draft"}).json()["results"] == []
    assert customer.get(URL, {"effective_status": "ended"}).json()["results"] == []


def test_customers_do_not_see_what_is_internal(as_role):
    customer = as_role("customer")
    promotion = ActivePromotionFactory(
        users=[customer.user, UserFactory()], source_id="shop:1", metadata={"margin": 4}
    )
    for answer in (
        customer.get(f"{URL}/{promotion.pk}").json(),
        customer.get(URL).json()["results"][0],
    ):
        internal = "pause_reason target_user_ids target_pool_ids source_id metadata".split()
        assert not set(internal) & set(answer)
        assert answer["effective_status"] == "running"
