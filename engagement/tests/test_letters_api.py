"""Dead letters over HTTP: groups, masked payloads, replay, discard, restore."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEntry
from engagement import processing
from engagement.letters import shown
from engagement.models import DeadLetterEvent
from engagement.tests.factories import event, send_and_process
from engagement.tests.letters import (
    activate,
    counted,
    draft_letters,
    promotion_of,
    states,
    trail,
    violations,
)
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/dead-letters"


@pytest.fixture
def ops(as_role):
    return as_role("ops")


def replay(client, body, **headers):
    return client.post(f"{URL}/replay", body, headers=headers)


def problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == code
    return response.json()


def test_from_the_groups_to_the_stats(ops):
    sent = draft_letters(50)
    activate(sent)
    (group,) = ops.get(f"{URL}/groups").json()
    assert group["fingerprint"] == f"promotion_not_active:{promotion_of(sent)}"
    only = {"filter": {"fingerprint": group["fingerprint"]}}

    dry = replay(ops, {**only, "dry_run": True}).json()
    assert (dry["count"], dry["already_counted"], dry["dry_run"]) == (50, 0, True)
    assert dry["by_cause"] == {"promotion_not_active": 50}
    assert dry["by_promotion"] == [{"promotion_id": promotion_of(sent), "count": 50}]
    assert dry["oldest_at"] == group["first_seen"]
    assert dry["newest_at"] == group["last_seen"]
    assert states() == {"open": 50}

    assert replay(ops, {**only, "sample": 5}).json()["count"] == 5
    processing.drain()
    assert replay(ops, {**only, "reason": "The rest"}).json()["count"] == 45
    processing.drain()
    assert (states(), counted()) == ({"resolved": 50}, 50)
    again = replay(ops, only)
    assert (again.status_code, again.json()["count"]) == (200, 0)
    assert ops.get(f"{URL}/groups").json() == []
    assert violations() == {}
    entry = AuditEntry.objects.filter(action="dead_letter.replay").last()
    assert (entry.actor_user, entry.via, entry.reason) == (ops.user, "api", "The rest")


def test_one_key_one_replay(ops):
    draft_letters(3)
    first = replay(ops, {"filter": {}, "sample": 1}, **{"Idempotency-Key": "k-1"})
    second = replay(ops, {"filter": {}, "sample": 1}, **{"Idempotency-Key": "k-1"})
    assert second.content == first.content
    assert second["Idempotent-Replayed"] == "true"
    assert states() == {"open": 2, "replaying": 1}


def test_ids_and_a_rate(ops):
    draft_letters(3)
    first, second, _third = DeadLetterEvent.objects.order_by("pk").values_list("pk", flat=True)
    done = replay(ops, {"ids": [second, first, 999_999], "rate": 1}).json()
    assert (done["count"], done["left_out"], done["seconds"]) == (2, 1, 1.0)
    assert states() == {"open": 1, "replaying": 2}


def test_a_plan_that_changed(ops):
    draft_letters(1)
    plan = replay(ops, {"filter": {}, "dry_run": True}).json()["plan"]
    draft_letters(1)
    refused = problem(replay(ops, {"filter": {}, "expect_plan": plan}), 409, "plan_changed")
    assert refused["params"]["count"] == 2
    assert states() == {"open": 2}
    now = replay(ops, {"filter": {}, "dry_run": True, "sample": 1}).json()["plan"]
    assert now == plan, "the same letters are the same plan"
    assert replay(ops, {"filter": {}, "sample": 1, "expect_plan": now}).json()["count"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": {}, "ids": [1]},
        {"ids": []},
        {"ids": [0]},
        {"ids": list(range(1, 1_002))},
        {"filter": {"cause": "bad luck"}},
        {"filter": {"causes": "unknown_user"}},
        {"filter": {"from": "2026-06-02T00:00:00Z", "to": "2026-06-01T00:00:00Z"}},
        {"filter": {"from": "2026-06-02T00:00:00"}},
        {"filter": {}, "sample": 0},
        {"filter": {}, "rate": 0},
        {"filter": {}, "rate": 10_001},
        {"filter": {}, "reason": "x" * 501},
        {"filter": {}, "limit": 5},
    ],
)
def test_senseless_replays_are_refused(ops, body):
    draft_letters(1)
    response = replay(ops, body)
    assert response.status_code == 422
    assert response.json()["errors"]
    assert states() == {"open": 1}


def test_one_letter_there_and_back(ops):
    sent = draft_letters(1)
    letter = DeadLetterEvent.objects.get()
    url = f"{URL}/{letter.pk}"
    problem(ops.post(f"{url}/discard", {}), 422, "validation_error")
    problem(ops.post(f"{url}/discard", {"reason": " "}), 422, "validation_error")
    discarded = ops.post(f"{url}/discard", {"reason": "Test traffic"}).json()
    assert (discarded["state"], discarded["state_reason"]) == ("discarded", "Test traffic")
    assert discarded["closed_at"]
    refused = problem(ops.post(f"{url}/replay", {}), 422, "invalid_transition")
    assert refused["detail"] == "Cannot transition from discarded to replaying"
    assert ops.post(f"{url}/restore", {"reason": "Real"}).json()["state"] == "open"
    activate(sent)
    assert ops.post(f"{url}/replay", {"reason": "Active now"}).json()["state"] == "replaying"
    processing.drain()
    assert ops.post(f"{url}/replay", {}).json()["state"] == "resolved"
    problem(ops.post(f"{url}/discard", {"reason": "Late"}), 422, "invalid_transition")
    assert counted() == 1
    assert [reason for _action, _count, reason in trail()] == [
        "Test traffic",
        "Real",
        "Active now",
    ]
    for action in ("replay", "discard", "restore"):
        problem(ops.post(f"{URL}/999999/{action}", {"reason": "x"}), 404, "not_found")


def test_a_letter_says_what_to_do_and_hides_people(ops):
    sent = event(
        user_id=SubscriptionFactory().user_id,
        promotion_id=PromotionFactory().pk,
        amount="100.5",
        metadata={
            "placement": "home",
            "note": "call +49 151 7766 5544 or wren@aviary.example",
            "email": "wren",
            "wren@aviary.example": [{"deep": "017677665544"}, 15177665544, 7, None, True],
            "long": "x" * 200,
        },
    )
    send_and_process(sent)
    letter = ops.get(f"{URL}/{DeadLetterEvent.objects.get().pk}").json()
    assert (letter["category"], letter["remedy"]) == (
        "refused",
        "Activate the promotion, then replay.",
    )
    (attempt,) = letter["history"]
    assert set(attempt) == {"at", "cause", "detail"}
    assert letter["payload"] == {
        "event_id": sent["event_id"],
        "type": "VIEW",
        "user_id": sent["user_id"],
        "promotion_id": sent["promotion_id"],
        "occurred_at": letter["occurred_at"],
        "amount": "100.50",
        "metadata": {
            "placement": "home",
            "note": "call ***44 or w***n@a***.example",
            "email": "(hidden)",
            "w***n@a***.example": [{"deep": "***44"}, "***44", 7, None, True],
            "long": "x" * 64 + "...",
        },
    }
    listed = ops.get(URL).content.decode()
    assert "aviary" not in listed
    assert "7766" not in listed
    assert DeadLetterEvent.objects.get().payload["m"] == sent["metadata"], "as it was sent"


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z"),
        ("sku-12345", "sku-12345"),
        ("5f3c9f6e-7f0a-4b52-9f43-1d8a5f0f7a11", "5f3c9f6e-7f0a-4b52-9f43-1d8a5f0f7a11"),
        ("(030) 123 45 67", "***67"),
        ("tel:+4915177665544", "tel:***44"),
        ("wren\uff20aviary.example", "w***n@a***.example"),
        (1.5, 1.5),
        (1_000_000, "***00"),
        ({"first_name": "W", "campaign_name": "Spring", "phoneNumber": 1}, None),
    ],
)
def test_masks(value, seen):
    if seen is None:
        seen = {"first_name": "(hidden)", "campaign_name": "Spring", "phoneNumber": "(hidden)"}
    assert shown.masked(value) == seen


def test_groups_say_how_bad_it_is(ops, django_assert_num_queries):
    now = datetime.now(UTC)
    sent = draft_letters(4)
    ids = [one["event_id"] for one in sent]
    ages = dict(zip(ids, (10, 70, 80, 300), strict=True))
    for event_id, minutes in ages.items():
        letters = DeadLetterEvent.objects.filter(event_id=event_id)
        letters.update(dead_at=now - timedelta(minutes=minutes))
    late = (now - timedelta(days=400)).isoformat()
    send_and_process(event(subscription_id=SubscriptionFactory().pk, occurred_at=late))
    send_and_process(
        *(event(subscription_id=SubscriptionFactory().pk, user_id=10**9) for _ in range(2))
    )
    first, second, third = ops.get(f"{URL}/groups").json()
    assert (first["count"], first["promotions"]) == (4, 1)
    assert first["trend"] == {"last_hour": 1, "hour_before": 2}
    assert (first["category"], first["cause"]) == ("refused", "promotion_not_active")
    oldest = DeadLetterEvent.objects.order_by("pk").first()
    assert (first["sample_id"], first["sample_event_id"]) == (oldest.pk, oldest.event_id)
    assert (second["cause"], second["count"], second["promotions"]) == (
        "subscription_mismatch",
        2,
        2,
    )
    assert third["cause"] == "promotion_not_started"
    with django_assert_num_queries(3):  # who asks, the groups, their samples
        assert len(ops.get(f"{URL}/groups").json()) == 3

    ops.post(f"{URL}/{oldest.pk}/discard", {"reason": "x"})
    assert ops.get(f"{URL}/groups").json()[0]["count"] == 3
    (discarded,) = ops.get(f"{URL}/groups?state=discarded").json()
    assert discarded["count"] == 1
    (found,) = ops.get(f"{URL}/groups?cause=promotion_not_started").json()
    assert found["count"] == 1
    listed = ops.get(f"{URL}?fingerprint={first['fingerprint']}&state=open").json()["results"]
    assert len(listed) == 3
