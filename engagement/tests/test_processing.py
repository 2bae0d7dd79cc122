"""Events become facts and counts exactly once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.tests.factories import UserFactory
from engagement import processing
from engagement.models import (
    DeadLetterEvent,
    Event,
    EventStat,
    IngestBatch,
    ProcessedEvent,
    PromotionUser,
    RetryEvent,
)
from engagement.tests.factories import event, send, send_and_process
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscription():
    return SubscriptionFactory()


def counts(batch_id):
    batch = IngestBatch.objects.get(pk=batch_id)
    assert batch.body is None
    return {
        name: getattr(batch, name)
        for name in ("accepted", "processed", "duplicates", "conflicts", "retrying", "dead")
        if getattr(batch, name)
    }


def test_an_event_becomes_a_fact_and_a_count(subscription):
    at = datetime.now(UTC).replace(microsecond=0)
    sent = event(
        subscription_id=subscription.pk,
        type="REDEEM",
        occurred_at=at.isoformat(),
        amount="12.50",
        metadata={"shop": "Köln"},
    )
    outcome = send_and_process(sent)
    assert counts(outcome.batch_id) == {"accepted": 1, "processed": 1}
    fact = Event.objects.get()
    assert fact.event_id == sent["event_id"]
    assert (fact.user_id, fact.promotion_id) == (subscription.user_id, subscription.promotion_id)
    assert fact.subscription_id == subscription.pk
    assert fact.occurred_at == at
    assert fact.amount == Decimal("12.5")
    assert fact.metadata == {"shop": "Köln"}
    cell = EventStat.objects.get()
    assert (cell.type, cell.events, cell.new_users, cell.amount) == ("REDEEM", 1, 1, fact.amount)
    assert cell.hour == at.replace(minute=0, second=0)


def test_the_pair_finds_its_subscription(subscription):
    send_and_process(event(user_id=subscription.user_id, promotion_id=subscription.promotion_id))
    assert Event.objects.get().subscription_id == subscription.pk


def test_people_see_before_they_opt_in():
    send_and_process(event(user_id=UserFactory().pk, promotion_id=ActivePromotionFactory().pk))
    assert Event.objects.get().subscription_id is None


def test_sending_twice_changes_nothing(subscription):
    sent = event(subscription_id=subscription.pk)
    send_and_process(sent)
    second = send_and_process(sent)
    assert (second.batch_id, second.accepted, second.duplicates) == (None, 0, 1)
    assert Event.objects.count() == 1
    assert EventStat.objects.get().events == 1


def test_what_was_counted_is_a_conflict_with_other_fields(subscription):
    sent = event(subscription_id=subscription.pk)
    send_and_process(sent)
    outcome = send({**sent, "type": "CLICK"})
    assert (outcome.batch_id, outcome.accepted) == (None, 0)
    assert [one.code for one in outcome.rejected] == ["event_conflict"]
    assert Event.objects.get().type == "VIEW"


def test_repeats_of_what_is_not_counted_are_told_apart_when_they_fail_too(subscription):
    """An id that is dead or retried may be sent again: the header says what became of it."""
    draft = PromotionFactory()
    dead = event(user_id=subscription.user_id, promotion_id=draft.pk)
    retried = event(subscription_id=9_999_999)
    first = send_and_process(dead, retried)
    assert counts(first.batch_id) == {"accepted": 2, "dead": 1, "retrying": 1}
    same = send_and_process(dead, retried)
    assert counts(same.batch_id) == {"accepted": 2, "duplicates": 2}
    other = send_and_process({**dead, "type": "CLICK"}, {**retried, "type": "CLICK"})
    assert counts(other.batch_id) == {"accepted": 2, "conflicts": 2}
    assert counts(first.batch_id) == {"accepted": 2, "dead": 1, "retrying": 1}
    assert not Event.objects.exists()


def test_unique_users_are_counted_once_each(subscription):
    other = SubscriptionFactory(promotion=subscription.promotion)
    now = datetime.now(UTC)
    for hours in (0, 5):
        at = (now - timedelta(hours=hours)).isoformat()
        send_and_process(
            event(subscription_id=subscription.pk, occurred_at=at),
            event(subscription_id=subscription.pk, occurred_at=at),
            event(subscription_id=other.pk, occurred_at=at),
        )
    assert PromotionUser.objects.count() == 2
    assert sum(cell.new_users for cell in EventStat.objects.all()) == 2
    assert sum(cell.events for cell in EventStat.objects.all()) == 6


def refused_cause(**fields):
    outcome = send_and_process(event(**fields))
    letter = DeadLetterEvent.objects.get()
    assert counts(outcome.batch_id) == {"accepted": 1, "dead": 1}
    assert Event.objects.count() == EventStat.objects.count() == 0
    assert letter.detail
    return letter.cause


def test_events_of_a_draft_are_dead():
    promotion = PromotionFactory()
    cause = refused_cause(user_id=UserFactory().pk, promotion_id=promotion.pk)
    assert cause == "promotion_not_active"


@pytest.mark.parametrize(
    ("shift", "cause"), [(-1, "promotion_not_started"), (30, "promotion_expired")]
)
def test_events_outside_the_window_are_dead(subscription, shift, cause):
    promotion = ActivePromotionFactory(start_at=datetime(2026, 6, 1, tzinfo=UTC))
    at = promotion.start_at + timedelta(days=shift)
    found = refused_cause(
        user_id=subscription.user_id, promotion_id=promotion.pk, occurred_at=at.isoformat()
    )
    assert found == cause


def test_events_after_an_early_end_are_dead_and_those_before_count(subscription):
    start = datetime(2026, 6, 1, tzinfo=UTC)
    promotion = EndedPromotionFactory(start_at=start, ended_at=start + timedelta(days=3))
    who = {"user_id": subscription.user_id, "promotion_id": promotion.pk}
    send_and_process(event(**who, occurred_at=(start + timedelta(days=2)).isoformat()))
    assert Event.objects.count() == 1
    late = event(**who, occurred_at=(start + timedelta(days=4)).isoformat())
    send_and_process(late)
    assert DeadLetterEvent.objects.get().cause == "promotion_ended"


def test_events_after_the_subscription_was_deactivated_are_dead():
    now = datetime.now(UTC)
    subscription = SubscriptionFactory(is_active=False, deactivated_at=now - timedelta(hours=1))
    before = (now - timedelta(hours=2)).isoformat()
    send_and_process(event(subscription_id=subscription.pk, occurred_at=before))
    assert Event.objects.count() == 1
    send_and_process(event(subscription_id=subscription.pk))
    assert DeadLetterEvent.objects.get().cause == "subscription_inactive"


def test_a_subscription_of_somebody_else_is_a_mismatch(subscription):
    cause = refused_cause(subscription_id=subscription.pk, user_id=UserFactory().pk)
    assert cause == "subscription_mismatch"


def test_unknown_things_are_tried_again(subscription):
    missing = 9_999_999
    outcome = send_and_process(
        event(user_id=missing, promotion_id=subscription.promotion_id),
        event(user_id=subscription.user_id, promotion_id=missing),
        event(subscription_id=missing),
        event(subscription_id=subscription.pk),
    )
    assert counts(outcome.batch_id) == {"accepted": 4, "processed": 1, "retrying": 3}
    assert set(RetryEvent.objects.values_list("cause", flat=True)) == {
        "unknown_user",
        "unknown_promotion",
        "unknown_subscription",
    }


def make_due():
    RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))


def test_an_event_before_its_subscription_counts_once_that_appears():
    promotion = ActivePromotionFactory()
    user = UserFactory()
    future_id = SubscriptionFactory().pk + 1
    outcome = send_and_process(event(subscription_id=future_id))
    SubscriptionFactory(pk=future_id, user=user, promotion=promotion)
    make_due()
    processing.drain()
    assert RetryEvent.objects.count() == 0
    assert counts(outcome.batch_id) == {"accepted": 1, "processed": 1}
    assert Event.objects.get().user_id == user.pk


def test_an_event_that_never_succeeds_is_buried_with_its_history(settings):
    outcome = send_and_process(event(subscription_id=9_999_999))
    for _ in settings.RETRY_SCHEDULE:
        assert RetryEvent.objects.count() == 1
        make_due()
        processing.drain()
    letter = DeadLetterEvent.objects.get()
    assert letter.attempts == len(settings.RETRY_SCHEDULE) + 1 == len(letter.history)
    assert RetryEvent.objects.count() == 0
    assert counts(outcome.batch_id) == {"accepted": 1, "dead": 1}


def test_the_same_id_again_closes_its_letter_when_it_counts():
    promotion = PromotionFactory()
    sent = event(user_id=UserFactory().pk, promotion_id=promotion.pk)
    first = send_and_process(sent)
    again = send_and_process(sent)
    assert counts(again.batch_id) == {"accepted": 1, "duplicates": 1}
    promotion.status, promotion.activated_at = "active", promotion.start_at
    promotion.save()
    third = send_and_process(sent)
    assert DeadLetterEvent.objects.get().state == "superseded"
    assert counts(first.batch_id) == {"accepted": 1, "duplicates": 1}
    assert counts(third.batch_id) == {"accepted": 1, "processed": 1}


def test_one_bad_event_does_not_hold_up_the_others(subscription):
    draft = PromotionFactory()
    outcome = send_and_process(
        *(event(subscription_id=subscription.pk) for _ in range(49)),
        event(user_id=subscription.user_id, promotion_id=draft.pk),
    )
    assert counts(outcome.batch_id) == {"accepted": 50, "processed": 49, "dead": 1}


def test_a_lapsed_lease_is_taken_again_and_a_standing_one_is_not(subscription):
    outcome = send(event(subscription_id=subscription.pk))
    batch = IngestBatch.objects.get(pk=outcome.batch_id)
    batch.leased_until = datetime.now(UTC) + timedelta(seconds=15)
    batch.attempts = 1
    batch.save()
    assert processing.drain() == 0
    batch.leased_until = datetime.now(UTC) - timedelta(seconds=1)
    batch.save()
    assert processing.drain() == 1
    assert ProcessedEvent.objects.count() == 1
    assert processing.drain() == 0


def test_events_of_many_months_make_their_partitions(subscription):
    promotion = ActivePromotionFactory(
        start_at=datetime(2019, 11, 1, tzinfo=UTC), end_at=datetime(2020, 3, 1, tzinfo=UTC)
    )
    send_and_process(
        *(
            event(
                user_id=subscription.user_id,
                promotion_id=promotion.pk,
                occurred_at=f"{month}-15T12:00:00Z",
            )
            for month in ("2019-11", "2019-12", "2020-01", "2020-02")
        )
    )
    assert Event.objects.count() == 4
