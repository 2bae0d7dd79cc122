"""Events over HTTP: ingest, its refusals, reading back."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.tests.factories import UserFactory
from engagement import processing
from engagement.models import Event, IngestBatch
from engagement.tests.factories import event, send_and_process
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/events/ingest"


@pytest.fixture
def shop(as_service):
    return as_service("events:write")


@pytest.fixture
def subscription():
    return SubscriptionFactory()


def raw(client, body, content_type="application/json"):
    data = body if isinstance(body, bytes) else body.encode()
    return client.generic("POST", URL, data, content_type=content_type)


def problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == code
    return response.json()


def test_one_event(shop, subscription):
    sent = event(subscription_id=subscription.pk)
    response = shop.post(URL, sent)
    assert (response.status_code, response.json()) == (202, {"status": "accepted"})
    processing.drain()
    response = shop.post(URL, sent)
    assert (response.status_code, response.json()) == (200, {"status": "duplicate"})
    clash = problem(shop.post(URL, {**sent, "type": "CLICK"}), 409, "event_conflict")
    assert clash["detail"]
    assert Event.objects.count() == 1


def test_uuid_spellings_are_one_id(shop, subscription):
    spelled = "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"
    sent = event(subscription_id=subscription.pk)
    for event_id in (
        spelled,
        spelled.lower(),
        spelled.replace("-", ""),
        f"{{{spelled}}}",
        f"urn:uuid:{spelled}",
    ):
        assert shop.post(URL, {**sent, "event_id": event_id}).status_code in (200, 202)
        processing.drain()
    assert Event.objects.get().event_id == spelled.lower()


def test_many_events_one_bad(shop, subscription):
    good = [event(subscription_id=subscription.pk) for _ in range(3)]
    response = shop.post(URL, {"events": [good[0], {"event_id": "x", "type": "BUY"}, *good]})
    assert response.status_code == 202
    body = response.json()
    assert (body["accepted"], body["duplicates"]) == (3, 1)
    assert [(one["index"], one["event_id"]) for one in body["rejected"]] == [(1, "x")]
    processing.drain()
    response = shop.post(URL, {"events": good})
    assert response.status_code == 200
    assert response.json() == {
        "batch_id": None,
        "accepted": 0,
        "duplicates": 3,
        "rejected": [],
    }


def test_ndjson(shop, subscription):
    lines = "\n".join(json.dumps(event(subscription_id=subscription.pk)) for _ in range(5))
    response = raw(shop, lines + "\nnot json\n", "application/x-ndjson")
    assert response.status_code == 202
    assert response.json()["accepted"] == 5
    assert response.json()["rejected"][0]["index"] == 5


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "malformed"),
        ("{", 400, "malformed"),
        ('{"event_id": NaN}', 400, "malformed"),
        ("[" * 10_000 + "]" * 10_000, 422, "validation_error"),
        ('{"metadata":' + "[" * 10_000 + "]" * 10_000 + "}", 400, "malformed"),
        ('{"events":' + "[" * 10_000 + "]" * 10_000 + "}", 400, "malformed"),
        ('{"event_id": "\\ud800", "type": "VIEW"}', 400, "malformed"),
        ("[]", 422, "validation_error"),
        ('"text"', 422, "validation_error"),
        ('{"events": []}', 422, "validation_error"),
        ('{"events": {}}', 422, "validation_error"),
        ('{"events": [], "more": 1}', 422, "validation_error"),
    ],
)
def test_broken_bodies(shop, body, status, code):
    problem(raw(shop, body), status, code)
    assert IngestBatch.objects.count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"event_id": ""},
        {"event_id": "a" * 129},
        {"event_id": "a b"},
        {"event_id": "a\x00"},
        {"event_id": "a\n"},
        {"event_id": 5},
        {"event_id": "pp:redemption:1"},
        {"type": "view"},
        {"type": None},
        {"subscription_id": "1"},
        {"subscription_id": 1.5},
        {"subscription_id": True},
        {"subscription_id": 0},
        {"subscription_id": 2**63},
        {"subscription_id": None},
        {"subscription_id": None, "user_id": 1},
        {"occurred_at": "2026-06-01T00:00:00"},
        {"occurred_at": "yesterday"},
        {"occurred_at": 1780000000},
        {"occurred_at": "1999-12-31T23:59:59Z"},
        {"occurred_at": (datetime.now(UTC) + timedelta(hours=6)).isoformat()},
        {"amount": "NaN"},
        {"amount": "Infinity"},
        {"amount": -1},
        {"amount": "0.0001"},
        {"amount": 10**12},
        {"amount": "1e400"},
        {"metadata": []},
        {"metadata": "x"},
        {"metadata": {"a": "\x00"}},
        {"metadata": {"a": "x" * 5000}},
        {"stranger": 1},
    ],
)
def test_invalid_events(shop, subscription, fields):
    sent = {**event(subscription_id=subscription.pk), **fields}
    problem(shop.post(URL, sent), 422, "validation_error")
    response = shop.post(URL, {"events": [sent, event(subscription_id=subscription.pk)]})
    assert response.status_code == 202
    assert [one["index"] for one in response.json()["rejected"]] == [0]
    assert IngestBatch.objects.get().accepted == 1


def test_deep_metadata_is_refused(shop, subscription):
    deep = '{"a":' * 100 + "1" + "}" * 100
    body = json.dumps(event(subscription_id=subscription.pk))[:-1] + f', "metadata": {deep}}}'
    problem(raw(shop, body), 422, "validation_error")


# Beyond what Python reads back, what PostgreSQL reads, what either has an exponent for.
@pytest.mark.parametrize("number", ["1e309", "-1E+5000", "1e400000", "1e-400000", f"1e{10**20}"])
def test_numbers_that_nobody_can_read_are_refused(shop, subscription, number):
    body = json.dumps(event(subscription_id=subscription.pk))[:-1]
    sent = body + f', "metadata": {{"a": ["1e999", {number}]}}}}'
    answer = problem(raw(shop, sent), 422, "validation_error")
    assert answer["errors"][0]["detail"] == "metadata has a number out of range"
    other = json.dumps(event(subscription_id=subscription.pk))
    assert raw(shop, f'{{"events": [{sent}, {other}]}}').json()["accepted"] == 1
    processing.drain()
    assert Event.objects.count() == 1


@pytest.mark.parametrize("number", ["1e308", "-1.5e-300", "0e0000", "9" * 4_000, "1e-0007"])
def test_numbers_as_large_as_a_double_are_kept(shop, as_role, subscription, number):
    body = json.dumps(event(subscription_id=subscription.pk))[:-1]
    assert raw(shop, body + f', "metadata": {{"a": {number}}}}}').status_code == 202
    processing.drain()
    (row,) = as_role("ops").get("/api/v1/events").json()["results"]
    assert Decimal(repr(row["metadata"]["a"])) == Decimal(number)


@pytest.mark.parametrize(
    ("amount", "stored"),
    [
        ("0E-999999", "0"),
        ("0." + "0" * 20_000, "0"),
        ("1." + "0" * 20_000, "1"),
        ("2.50000", "2.5"),
    ],
)
def test_noughts_without_end_hold_up_nobody(shop, subscription, amount, stored):
    shop.post(URL, {"events": [event(subscription_id=subscription.pk, amount=amount)]})
    processing.drain()
    assert Event.objects.get().amount == Decimal(stored)
    tiny = event(subscription_id=subscription.pk, amount="1.000" + "0" * 40 + "1")
    problem(shop.post(URL, tiny), 422, "validation_error")


def test_a_wrong_field_is_named(shop):
    answer = problem(shop.post(URL, event(user_id="7")), 422, "validation_error")
    assert answer["errors"][0]["pointer"] == "/user_id"


def test_too_many_events(shop, subscription):
    events = [event(subscription_id=subscription.pk) for _ in range(5_001)]
    problem(shop.post(URL, {"events": events}), 422, "validation_error")
    assert shop.post(URL, {"events": events[:5_000]}).status_code == 202


def test_a_body_of_11_mb(shop):
    problem(raw(shop, b" " * (11 * 1024 * 1024)), 413, "too_large")


def test_other_content_types_and_methods(shop):
    answer = problem(raw(shop, "{}", "text/plain"), 415, "unsupported_media_type")
    assert "application/json is needed" in answer["detail"]
    problem(shop.get(URL), 405, "method_not_allowed")


def test_who_may_send(as_role, as_service, anonymous, subscription):
    for client, status in (
        (anonymous, 401),
        (as_role("customer"), 403),
        (as_role("marketer"), 403),
        (as_role("ops"), 202),
        (as_role("admin"), 202),
        (as_service("read"), 403),
        (as_service("events:write"), 202),
    ):
        response = client.post(URL, event(subscription_id=subscription.pk))
        assert response.status_code == status


def test_dead_credentials(as_role, shop, subscription):
    from accounts.models import ApiKey, User

    assert shop.post(URL, event(subscription_id=subscription.pk)).status_code == 202
    ApiKey.objects.update(revoked_at=datetime.now(UTC))
    problem(shop.post(URL, event(subscription_id=subscription.pk)), 401, "not_authenticated")
    ops = as_role("ops")
    User.objects.filter(pk=ops.user.pk).update(token_version=5)
    problem(ops.post(URL, event(subscription_id=subscription.pk)), 401, "not_authenticated")
    assert IngestBatch.objects.count() == 1


def test_unprefixed_and_slashed_routes_answer_too(shop, subscription):
    for url in ("/events/ingest", "/events/ingest/", URL + "/"):
        assert shop.post(url, event(subscription_id=subscription.pk)).status_code == 202


def test_reading_one_event(as_service, subscription):
    reader = as_service("read")
    sent = event(subscription_id=subscription.pk, amount="5.50", metadata={"k": "v"})
    assert reader.get(f"/api/v1/events/{sent['event_id']}").status_code == 404
    send_and_process(sent)
    body = reader.get(f"/api/v1/events/{sent['event_id']}").json()
    assert (body["status"], body["attempts"], body["amount"]) == ("processed", 1, "5.50")
    assert body["metadata"] == {"k": "v"}
    draft = PromotionFactory()
    refused = event(user_id=subscription.user_id, promotion_id=draft.pk, amount="300.00")
    unknown = event(subscription_id=9_999_999)
    send_and_process(refused, unknown)
    body = reader.get(f"/api/v1/events/{refused['event_id']}").json()
    assert (body["status"], body["cause"]) == ("dead", "promotion_not_active")
    assert body["amount"] == "300.00"
    body = reader.get(f"/api/v1/events/{unknown['event_id']}").json()
    assert (body["status"], body["cause"]) == ("retrying", "unknown_subscription")


@pytest.mark.parametrize("kind", ["BUY", "view", ""])
def test_an_unknown_type_is_told_those_there_are(shop, subscription, kind):
    refused = problem(
        shop.post(URL, event(subscription_id=subscription.pk, type=kind)), 422, "validation_error"
    )
    assert f"Not one of VIEW, CLICK, REDEEM: '{kind}'" in refused["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("currency", "sent", "shown", "total"),
    [
        ("USD", "5.5", "5.50", "11.00"),
        ("JPY", "35.0", "35", "70"),
        ("KWD", "1.25", "1.250", "2.500"),
        ("JPY", "0.125", "0.125", "0.25"),  # nothing refuses it, so nothing hides it
    ],
)
def test_an_amount_is_spelled_alike_everywhere(as_role, currency, sent, shown, total):
    promotion = ActivePromotionFactory(currency=currency)
    users = [UserFactory().pk, UserFactory().pk]
    events = [
        event(user_id=user, promotion_id=promotion.pk, amount=sent, type="REDEEM") for user in users
    ]
    dead = event(
        user_id=users[0], promotion_id=promotion.pk, amount=sent, occurred_at="2020-01-01T00:00:00Z"
    )
    send_and_process(*events, dead)
    admin = as_role("admin")

    def get(path):
        return admin.get(f"/api/v1/{path}").json()

    assert [one["amount"] for one in get("events")["results"]] == [shown, shown]
    assert get(f"events/{events[0]['event_id']}")["amount"] == shown
    assert get(f"events/{dead['event_id']}")["amount"] == shown
    assert get(f"promotions/{promotion.pk}/stats")["totals"]["REDEEM"]["amount"] == total
    (letter,) = get("dead-letters")["results"]
    assert letter["payload"]["amount"] == shown
    assert get(f"dead-letters/{letter['id']}")["payload"]["amount"] == shown


def test_the_event_list_pages_by_cursor(as_service, subscription, django_assert_num_queries):
    reader = as_service("read")
    at = datetime.now(UTC).replace(microsecond=0).isoformat()
    sent = [event(subscription_id=subscription.pk, occurred_at=at) for _ in range(7)]
    send_and_process(*sent)
    assert reader.get("/api/v1/events").status_code == 200  # the key's first use is noted
    seen: list[str] = []
    url = f"/api/v1/events?limit=3&promotion_id={subscription.promotion_id}"
    pages = 0
    while url:
        with django_assert_num_queries(1):
            page = reader.get(url).json()
        seen += [one["event_id"] for one in page["results"]]
        url, last = page["next"], page
        pages += 1
    assert pages == 3
    assert sorted(seen) == sorted(one["event_id"] for one in sent)
    back = reader.get(last["previous"]).json()
    assert [one["event_id"] for one in back["results"]] == seen[3:6]


@pytest.mark.parametrize(
    "query",
    [
        "limit=1000000000",
        "limit=0",
        "limit=x",
        "cursor=x",
        "cursor=WyJuIiwxLDJd",
        "promotion_id=0",
        "promotion_id=9223372036854775808",
        "type=BUY",
        "from=2026-01-01T00:00:00",
        "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z",
    ],
)
def test_bad_queries(as_service, query):
    response = as_service("read").get(f"/api/v1/events?{query}")
    assert response.status_code == 422, response.content


def test_dead_letters_and_their_groups(as_role, subscription):
    draft = PromotionFactory()
    send_and_process(
        *(event(user_id=subscription.user_id, promotion_id=draft.pk) for _ in range(3)),
        event(subscription_id=subscription.pk, user_id=subscription.user_id + 1),
    )
    ops = as_role("ops")
    groups = ops.get("/api/v1/dead-letters/groups").json()
    assert [(group["cause"], group["count"]) for group in groups] == [
        ("promotion_not_active", 3),
        ("subscription_mismatch", 1),
    ]
    page = ops.get("/api/v1/dead-letters?cause=promotion_not_active").json()
    assert len(page["results"]) == 3
    letter = ops.get(f"/api/v1/dead-letters/{page['results'][0]['id']}").json()
    assert letter["detail"] == "The promotion was never activated."
    assert ops.get("/api/v1/dead-letters/999999").status_code == 404
    assert as_role("marketer").get("/api/v1/dead-letters").status_code == 403
