"""The routes of promotions, as staff and services see them."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.tests.factories import PoolFactory, UserFactory
from promotions.models import Promotion
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db

URL = "/api/v1/promotions"
JUNE = {"name": "June", "start_at": "2026-06-01T00:00:00+02:00", "end_at": "2026-07-01T00:00:00Z"}


@pytest.fixture
def marketer(as_role):
    return as_role("marketer")


def test_create_answers_a_draft(marketer):
    user, pool = UserFactory(), PoolFactory()
    body = JUNE | {
        "description": "Words",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "target_user_ids": [user.pk],
        "target_pool_ids": [pool.pk],
        "source_id": "shop:1",
        "metadata": {"channel": "web"},
    }
    response = marketer.post(URL, body)
    assert response.status_code == 201
    answer = response.json()
    promotion = Promotion.objects.get()
    assert answer == {
        "id": promotion.pk,
        "name": "June",
        "description": "Words",
        "start_at": "2026-05-31T22:00:00Z",
        "end_at": "2026-07-01T00:00:00Z",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "is_targeted": True,
        "target_user_ids": [user.pk],
        "target_pool_ids": [pool.pk],
        "status": "draft",
        "effective_status": "draft",
        "paused_at": None,
        "pause_reason": "",
        "activated_at": None,
        "ended_at": None,
        "source_id": "shop:1",
        "metadata": {"channel": "web"},
        "created_at": answer["created_at"],
        "updated_at": answer["updated_at"],
    }
    assert datetime.fromisoformat(answer["created_at"]) == promotion.created_at
    assert marketer.get(f"{URL}/{promotion.pk}").json() == answer


def test_what_is_left_out_has_its_default(marketer):
    answer = marketer.post(URL, JUNE).json()
    assert (answer["timezone"], answer["currency"]) == ("UTC", "USD")
    assert (answer["is_targeted"], answer["target_user_ids"]) == (False, [])
    assert (answer["description"], answer["source_id"], answer["metadata"]) == ("", None, {})


def test_the_audit_trail_names_who_it_was(marketer, as_service):
    made = marketer.post(URL, JUNE, headers={"X-Request-ID": "r-7"}).json()
    service = as_service("promotions:write")
    service.patch(f"{URL}/{made['id']}", {"name": "July"})
    created, updated = entries(Promotion.objects.get())
    assert (created.actor_user, created.via, created.request_id) == (marketer.user, "api", "r-7")
    assert updated.actor_user is None
    assert updated.actor_api_key.name == "test"


def test_a_repeat_under_one_key_makes_one_promotion(marketer):
    answers = [
        marketer.post(URL, JUNE, headers={"Idempotency-Key": "k-1"}).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert Promotion.objects.count() == 1


def test_a_state_refusal_is_repeated_under_its_key(marketer):
    promotion = PromotionFactory()
    url = f"{URL}/{promotion.pk}/status"
    first = marketer.post(url, {"status": "ended"}, headers={"Idempotency-Key": "k-1"})
    marketer.post(url, {"status": "active"})
    again = marketer.post(url, {"status": "ended"}, headers={"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.json()["code"] == "invalid_transition"
    assert stored(promotion)["status"] == "active"


def test_patch_edits_a_draft(marketer):
    promotion = PromotionFactory(users=[UserFactory()])
    other = UserFactory()
    response = marketer.patch(
        f"{URL}/{promotion.pk}", {"name": "New", "target_user_ids": [other.pk], "source_id": "a"}
    )
    assert response.status_code == 200
    answer = response.json()
    assert (answer["name"], answer["target_user_ids"]) == ("New", [other.pk])
    assert marketer.patch(f"{URL}/{promotion.pk}", {"source_id": None}).json()["source_id"] is None


def test_an_answer_sent_back_is_no_edit(marketer):
    promotion = EndedPromotionFactory(users=[UserFactory()], metadata={"a": [1.5, None]})
    answer = marketer.get(f"{URL}/{promotion.pk}").json()
    writable = """name description start_at end_at timezone currency is_targeted target_user_ids
        target_pool_ids source_id metadata""".split()
    response = marketer.patch(f"{URL}/{promotion.pk}", {name: answer[name] for name in writable})
    assert response.status_code == 200
    assert response.json() == answer
    assert entries(promotion) == []


def test_locked_fields_are_refused_by_name(marketer):
    promotion = ActivePromotionFactory()
    row = stored(promotion)
    response = marketer.patch(
        f"{URL}/{promotion.pk}", {"name": "New", "end_at": "2030-01-01T00:00:00Z"}
    )
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "field_locked"
    assert problem["params"] == {"fields": ["end_at"], "status": "active"}
    assert problem["detail"] == "end_at cannot be changed while the promotion is active."
    assert stored(promotion) == row


@pytest.mark.parametrize("method", ["post", "patch"])
def test_status_moves_on(marketer, method):
    promotion = PromotionFactory()
    send = getattr(marketer, method)
    url = f"{URL}/{promotion.pk}/status"
    refused = send(url, {"status": "ended"})
    assert refused.status_code == 422
    assert refused.json()["code"] == "invalid_transition"
    assert refused.json()["detail"] == "Cannot transition from draft to ended"
    answer = send(url, {"status": "active"})
    assert answer.status_code == 200
    assert answer.json()["effective_status"] == "running"
    assert answer.json()["activated_at"] is not None
    again = send(url, {"status": "active"})
    assert (again.status_code, again.json()) == (200, answer.json())
    assert send(url, {"status": "ended", "reason": "over"}).json()["status"] == "ended"
    assert entries(promotion)[-1].reason == "over"


def test_pause_and_resume(marketer):
    promotion = ActivePromotionFactory()
    paused = marketer.post(f"{URL}/{promotion.pk}/pause", {"reason": "stock"}).json()
    assert (paused["effective_status"], paused["pause_reason"]) == ("paused", "stock")
    assert marketer.post(f"{URL}/{promotion.pk}/pause").json() == paused
    resumed = marketer.post(f"{URL}/{promotion.pk}/resume")
    assert (resumed.status_code, resumed.json()["effective_status"]) == (200, "running")
    draft = PromotionFactory()
    refused = marketer.post(f"{URL}/{draft.pk}/pause")
    assert (refused.status_code, refused.json()["code"]) == (422, "promotion_not_active")


def test_duplicate_answers_the_copy(marketer):
    promotion = EndedPromotionFactory(source_id="shop:1", budget="12.50")
    response = marketer.post(f"{URL}/{promotion.pk}/duplicate", {"reason": "again"})
    assert response.status_code == 201
    copy = response.json()
    assert copy["id"] != promotion.pk
    assert (copy["status"], copy["source_id"]) == ("draft", None)
    assert marketer.get(f"{URL}/{copy['id']}/budget").json()["total"] == "12.50"


def test_delete_is_for_drafts(marketer):
    draft, active = PromotionFactory(), ActivePromotionFactory()
    gone = marketer.delete(f"{URL}/{draft.pk}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert marketer.get(f"{URL}/{draft.pk}").status_code == 404
    refused = marketer.delete(f"{URL}/{active.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "promotion_in_use")
    assert Promotion.objects.get() == active


def test_the_budget_in_its_currency(marketer):
    promotion = PromotionFactory(currency="KWD")
    url = f"{URL}/{promotion.pk}/budget"
    unlimited = {"promotion_id": promotion.pk, "currency": "KWD"} | dict.fromkeys(
        ("total", "reserved", "spent", "left")
    )
    assert marketer.get(url).json() == unlimited
    answer = marketer.put(url, {"total": "10.125"})
    assert answer.status_code == 200
    assert answer.json() == unlimited | {
        "total": "10.125",
        "reserved": "0.000",
        "spent": "0.000",
        "left": "10.125",
    }
    assert marketer.put(url, {"total": None}).json() == unlimited


def test_an_active_budget_is_topped_up_not_set(marketer):
    promotion = ActivePromotionFactory(budget=10)
    url = f"{URL}/{promotion.pk}/budget"
    refused = marketer.put(url, {"total": 20})
    assert (refused.status_code, refused.json()["code"]) == (422, "field_locked")
    answer = marketer.post(f"{url}/top-up", {"amount": 2.5, "reason": "more"})
    assert (answer.status_code, answer.json()["total"]) == (200, "12.50")
    ended = EndedPromotionFactory(budget=10)
    refused = marketer.post(f"{URL}/{ended.pk}/budget/top-up", {"amount": "1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "promotion_ended")


def test_the_ledger_pages_by_cursor(marketer, django_assert_num_queries):
    promotion = PromotionFactory(budget=10)
    url = f"{URL}/{promotion.pk}/budget"
    marketer.put(url, {"total": "4.50", "reason": "less"})
    marketer.post(f"{url}/top-up", {"amount": "1"})
    page = marketer.get(f"{url}/entries", {"limit": 2}).json()
    assert [(row["kind"], row["amount"], row["reason"]) for row in page["results"]] == [
        ("fund", "1.00", ""),
        ("fund", "-5.50", "less"),
    ]
    last = marketer.get(page["next"]).json()
    assert [row["amount"] for row in last["results"]] == ["10.00"]
    assert last["next"] is None
    with django_assert_num_queries(3):
        marketer.get(f"{url}/entries")
    assert marketer.get(f"{URL}/404/budget/entries").status_code == 404


def test_history_newest_first(marketer):
    promotion = PromotionFactory(name="June")
    marketer.patch(f"{URL}/{promotion.pk}", {"name": "July"})
    marketer.post(f"{URL}/{promotion.pk}/status", {"status": "active"})
    other = PromotionFactory()
    marketer.patch(f"{URL}/{other.pk}", {"name": "Other"})
    page = marketer.get(f"{URL}/{promotion.pk}/history", {"limit": 1}).json()
    (newest,) = page["results"]
    assert (newest["action"], newest["after"]["status"]) == ("promotion.activate", "active")
    assert newest["actor_user_id"] == marketer.user.pk
    (oldest,) = marketer.get(page["next"]).json()["results"]
    assert (oldest["before"], oldest["after"]) == ({"name": "June"}, {"name": "July"})
    assert marketer.get(f"{URL}/404/history").status_code == 404


def test_a_missing_promotion_is_missing_everywhere(marketer):
    for pk in (404, 2**63, 10**40):
        assert marketer.get(f"{URL}/{pk}").status_code == 404
        assert marketer.patch(f"{URL}/{pk}", {"name": "New"}).status_code == 404
        assert marketer.delete(f"{URL}/{pk}").status_code == 404
        assert marketer.get(f"{URL}/{pk}/budget").status_code == 404
        assert marketer.get(f"{URL}/{pk}/history").status_code == 404
        assert marketer.put(f"{URL}/{pk}/budget", {"total": 1}).status_code == 404
        for action in ("pause", "resume", "duplicate"):
            assert marketer.post(f"{URL}/{pk}/{action}").status_code == 404
        assert marketer.post(f"{URL}/{pk}/status", {"status": "active"}).status_code == 404
        assert marketer.post(f"{URL}/{pk}/budget/top-up", {"amount": 1}).status_code == 404


def names(response):
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


def test_the_list_filters_by_status(marketer):
    now = datetime.now(UTC)
    PromotionFactory(name="draft")
    ActivePromotionFactory(name="running")
    ActivePromotionFactory(name="scheduled", start_at=now + timedelta(days=1))
    ActivePromotionFactory(name="paused", paused_at=now)
    ActivePromotionFactory(name="budget_exhausted", budget=0)
    ActivePromotionFactory(name="expired", start_at=now - timedelta(days=60))
    EndedPromotionFactory(name="ended")
    assert len(names(marketer.get(URL))) == 7
    assert names(marketer.get(URL, {"status": "draft"})) == ["draft"]
    assert len(names(marketer.get(URL, {"status": "active"}))) == 5
    for wanted in "draft running scheduled paused budget_exhausted expired ended".split():
        response = marketer.get(URL, {"effective_status": wanted})
        assert names(response) == [wanted]
        assert response.json()["results"][0]["effective_status"] == wanted
    assert names(marketer.get(URL, {"status": "ended", "effective_status": "running"})) == []


def test_the_list_is_searched_by_name(marketer):
    for name in ("Summer Sale", "Winter sale", "VIP 100%", "Überraschung", "Back_to_school"):
        PromotionFactory(name=name)

    def found(words):
        return names(marketer.get(URL, {"search": words, "ordering": "id"}))

    assert found("SALE") == ["Summer Sale", "Winter sale"]
    assert found("mer sa") == ["Summer Sale"]
    assert found("überr") == ["Überraschung"]
    assert found("s") == ["Summer Sale", "Winter sale"]
    assert found("vi") == ["VIP 100%"]
    assert found("er") == []
    assert found("%") == []
    assert found("00%") == ["VIP 100%"]
    assert found("k_t") == ["Back_to_school"]
    assert found("'; drop") == []


@pytest.mark.parametrize("name", ["id", "name", "start_at", "end_at", "created_at"])
def test_the_list_has_its_orders(marketer, name):
    start = datetime(2026, 6, 1, tzinfo=UTC)
    for letter, days in (("b", 2), ("a", 1), ("a", 1)):
        PromotionFactory(name=letter, start_at=start + timedelta(days=days))

    def ids(ordering):
        rows = marketer.get(URL, {"ordering": ordering}).json()["results"]
        return [row["id"] for row in rows]

    expected = list(Promotion.objects.order_by(name, "id").values_list("id", flat=True))
    assert ids(name) == expected
    assert ids(f"-{name}") == expected[::-1]


def test_the_list_pages_with_an_honest_count(marketer):
    for _ in range(3):
        PromotionFactory()
    page = marketer.get(URL, {"limit": 2}).json()
    assert (page["count"], len(page["results"])) == (3, 2)
    rest = marketer.get(page["next"]).json()
    assert (rest["next"], len(rest["results"])) == (None, 1)
    assert [row["id"] for row in page["results"] + rest["results"]] == list(
        Promotion.objects.order_by("-id").values_list("id", flat=True)
    )


def test_the_list_takes_as_many_queries_for_many_as_for_one(
    marketer, as_role, django_assert_num_queries
):
    def make():
        user, pool = UserFactory(), PoolFactory()
        return ActivePromotionFactory(users=[user], pools=[pool], budget=10)

    make()
    with django_assert_num_queries(3):  # who, what time, which
        marketer.get(URL)
    for _ in range(12):
        make()
    with django_assert_num_queries(3):
        rows = marketer.get(URL).json()["results"]
    assert len(rows) == 13
    with django_assert_num_queries(4):  # and the count
        marketer.get(URL, {"limit": 2, "effective_status": "running", "search": "promo"})
    customer = as_role("customer")
    for _ in range(3):
        ActivePromotionFactory(users=[customer.user], budget=10)
    with django_assert_num_queries(3):
        assert len(customer.get(URL).json()["results"]) == 3
