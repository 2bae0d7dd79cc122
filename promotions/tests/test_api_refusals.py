"""Whatever is sent: a problem document, never a 500, and nothing changed."""

import base64
import json

import pytest

from accounts.models import AuditEntry
from promotions.models import BudgetEntry, Promotion
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from promotions.tests.refusals import refused
from promotions.tests.trail import stored

pytestmark = pytest.mark.django_db

URL = "/api/v1/promotions"
JUNE = {"name": "June", "start_at": "2026-06-01T00:00:00Z", "end_at": "2026-07-01T00:00:00Z"}

BAD_FIELDS = [
    ({"name": ""}, "/name"),
    ({"name": "   "}, "/name"),
    ({"name": None}, "/name"),
    ({"name": "x" * 256}, "/name"),
    ({"name": ["a"]}, "/name"),
    ({"name": {"a": 1}}, "/name"),
    ({"name": True}, "/name"),
    ({"description": None}, "/description"),
    ({"description": "x" * 10_001}, "/description"),
    ({"start_at": "2026-06-01T00:00:00"}, "/start_at"),
    ({"start_at": "2026-06-01"}, "/start_at"),
    ({"start_at": 1_780_000_000}, "/start_at"),
    ({"start_at": "soon"}, "/start_at"),
    ({"start_at": None}, "/start_at"),
    ({"start_at": "2026-13-01T00:00:00Z"}, "/start_at"),
    ({"start_at": "0001-01-01T00:00:00+14:00"}, "/start_at"),
    ({"start_at": "0001-01-01T00:00:00Z"}, "/start_at"),
    ({"end_at": "9999-12-31T23:59:59.999999Z"}, "/end_at"),
    ({"end_at": "9999-12-31T23:59:59-14:00"}, "/end_at"),
    ({"end_at": "2026-06-01T00:00:00Z"}, "/end_at"),
    ({"end_at": "2026-06-01T02:00:00+02:00"}, "/end_at"),
    ({"timezone": "Mars/Olympus"}, "/timezone"),
    ({"timezone": "../../etc/passwd"}, "/timezone"),
    ({"timezone": 1}, "/timezone"),
    ({"currency": "usd"}, "/currency"),
    ({"currency": "XXX"}, "/currency"),
    ({"currency": []}, "/currency"),
    ({"is_targeted": "maybe"}, "/is_targeted"),
    ({"is_targeted": None}, "/is_targeted"),
    ({"is_targeted": {}}, "/is_targeted"),
    ({"target_user_ids": "1"}, "/target_user_ids"),
    ({"target_user_ids": {"0": 1}}, "/target_user_ids"),
    ({"target_user_ids": [999_999]}, "/target_user_ids"),
    ({"target_user_ids": [1.5]}, "/target_user_ids/0"),
    ({"target_user_ids": [True]}, "/target_user_ids/0"),
    ({"target_user_ids": [0]}, "/target_user_ids/0"),
    ({"target_user_ids": [2**63]}, "/target_user_ids/0"),
    ({"target_user_ids": [None]}, "/target_user_ids/0"),
    ({"target_user_ids": list(range(1, 1_002))}, "/target_user_ids"),
    ({"target_pool_ids": [999_999]}, "/target_pool_ids"),
    ({"target_pool_ids": ["a"]}, "/target_pool_ids/0"),
    ({"source_id": "x" * 129}, "/source_id"),
    ({"source_id": ["a"]}, "/source_id"),
    ({"metadata": None}, "/metadata"),
    ({"metadata": []}, "/metadata"),
    ({"metadata": "{}"}, "/metadata"),
    ({"metadata": {"text": "x" * 4_096}}, "/metadata"),
    ({"nmae": "typo"}, "/nmae"),
    ({"id": 7}, "/id"),
    ({"status": "active"}, "/status"),
    ({"version": 2}, "/version"),
    ({"created_at": "2026-06-01T00:00:00Z"}, "/created_at"),
]


@pytest.mark.parametrize(("wrong", "pointer"), BAD_FIELDS)
def test_wrong_fields_are_named(as_service, wrong, pointer):
    client = as_service("promotions:write")
    refused(client.post(URL, JUNE | wrong), pointer)
    assert not Promotion.objects.exists()
    promotion = PromotionFactory(start_at="2026-06-01T00:00:00Z", end_at="2026-07-01T00:00:00Z")
    row = stored(promotion)
    refused(client.patch(f"{URL}/{promotion.pk}", wrong), pointer)
    assert stored(promotion) == row
    assert not AuditEntry.objects.filter(object_type="promotion").exists()


def test_an_end_before_its_start_has_its_own_code(as_service):
    client = as_service("promotions:write")
    body = JUNE | {"end_at": "2026-05-01T00:00:00Z"}
    assert refused(client.post(URL, body), "/end_at")["code"] == "invalid_time_range"


def test_a_taken_source_id_is_named(as_service):
    client = as_service("promotions:write")
    PromotionFactory(source_id="shop:1")
    refused(client.post(URL, JUNE | {"source_id": " shop:1 "}), "/source_id")
    other = PromotionFactory()
    refused(client.patch(f"{URL}/{other.pk}", {"source_id": "shop:1"}), "/source_id")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b'{"name": "a', 400),
        (b'{"name": NaN}', 400),
        (b'{"name": "a\\u0000b"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": "\xff"}', 400),
        (b"[" * 10_000 + b"]" * 10_000, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (b"[]", 422),
        (b'"text"', 422),
        (b"7", 422),
        (b"null", 422),
        (b"[[]]", 422),
    ],
)
def test_bodies_that_are_no_promotion(as_service, body, status):
    client = as_service("promotions:write")
    active = ActivePromotionFactory(budget=10)
    row = stored(active)
    calls = [
        ("post", ""),
        ("post", f"/{active.pk}/status"),
        ("put", f"/{active.pk}/budget"),
        ("post", f"/{active.pk}/budget/top-up"),
    ]
    if body:  # these have no field that must be there
        calls += [("patch", f"/{active.pk}"), ("post", f"/{active.pk}/pause")]
    for method, path in calls:
        response = getattr(client, method)(f"{URL}{path}", body, content_type="application/json")
        assert response.status_code == status, (path, response.content)
        assert response["Content-Type"] == "application/problem+json"
    assert Promotion.objects.count() == 1
    assert stored(active) == row


def test_a_body_of_another_type(as_service):
    client = as_service("promotions:write")
    response = client.post(URL, b"<name/>", content_type="application/xml")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "amount",
    """null "" "abc" "NaN" "Infinity" "-Infinity" "-1" "1.001" "0.0001" "1e3000" "1000000000000"
    1e300 -1 9223372036854775808 true [1] {} "\\uff11.\\uff15\\uff15\\uff15" """.split(),
)
def test_amounts_that_are_none(as_service, amount):
    client = as_service("promotions:write")
    draft = PromotionFactory(budget=10)
    row = stored(draft)
    url = f"{URL}/{draft.pk}/budget"
    refused(client.post(f"{url}/top-up", {"amount": json.loads(amount)}), "/amount")
    if amount != "null":  # a total of none is unlimited
        refused(client.put(url, {"total": json.loads(amount)}), "/total")
    assert stored(draft) == row
    assert BudgetEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("status", {}, "/status"),
        ("status", {"status": "paused"}, "/status"),
        ("status", {"status": None}, "/status"),
        ("status", {"status": ["active"]}, "/status"),
        ("status", {"status": "active", "force": True}, "/force"),
        ("status", {"status": "ended", "reason": "x" * 501}, "/reason"),
        ("pause", {"reason": "x" * 501}, "/reason"),
        ("pause", {"reason": None}, "/reason"),
        ("pause", {"raeson": "typo"}, "/raeson"),
        ("resume", {"reason": {}}, "/reason"),
        ("duplicate", {"name": "New"}, "/name"),
        ("budget/top-up", {}, "/amount"),
        ("budget/top-up", {"amount": 0}, "/amount"),
        ("budget/top-up", {"amount": 1, "currency": "EUR"}, "/currency"),
    ],
)
def test_moves_with_wrong_bodies(as_service, path, body, pointer):
    promotion = ActivePromotionFactory(budget=10)
    row = stored(promotion)
    refused(as_service("promotions:write").post(f"{URL}/{promotion.pk}/{path}", body), pointer)
    assert stored(promotion) == row
    assert Promotion.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=1000000000", "/limit"),
        ("limit=0", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=%D9%A1", "/limit"),
        ("offset=-1", "/offset"),
        ("offset=100001", "/offset"),
        ("offset=99999999999999999999", "/offset"),
        ("status=gone", "/status"),
        ("effective_status=active", "/effective_status"),
        ("ordering=budget", "/ordering"),
        ("ordering=name,id", "/ordering"),
        ("ordering=--id", "/ordering"),
        ("search=" + "x" * 256, "/search"),
    ],
)
def test_queries_that_are_none(as_service, query, pointer):
    refused(as_service("read").get(f"{URL}?{query}"), pointer)


@pytest.mark.parametrize("path", ["budget/entries", "history"])
@pytest.mark.parametrize("cursor", ['["n", "a"]', '["n", 1, 2]', '["x", 1]', '["n"]', "{}", "n"])
def test_cursors_that_are_none(as_service, path, cursor):
    promotion = PromotionFactory(budget=10)
    text = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
    url = f"{URL}/{promotion.pk}/{path}"
    refused(as_service("read").get(url, {"cursor": text}), "/cursor")


@pytest.mark.parametrize("pk", ["abc", "-1", "1.5", "%00", "\uff11"])
def test_ids_that_are_none(as_service, pk):
    response = as_service("read").get(f"{URL}/{pk}")
    assert response.status_code in (400, 404)
    assert response["Content-Type"] == "application/problem+json"
