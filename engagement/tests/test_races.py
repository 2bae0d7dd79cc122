"""The same events at once, from many sides: real connections, real commits."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from engagement import processing
from engagement.models import Event, EventStat, IngestBatch, ProcessedEvent
from engagement.processing.claim import claim
from engagement.processing.work import process
from engagement.tests.factories import event, send
from engagement.tests.letters import violations
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/events/ingest"


def at_once(workers, act):
    """Run `act(number)` in threads that start together; their results."""
    start = threading.Barrier(workers)

    def run(number):
        start.wait()
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def test_the_same_event_200_times_at_once_has_one_effect(as_service):
    subscription = SubscriptionFactory()
    client = as_service("events:write")
    sent = event(subscription_id=subscription.pk)

    def post(_number):
        statuses = [client.post(URL, sent).status_code for _ in range(25)]
        processing.drain()
        return statuses

    statuses = Counter(status for each in at_once(8, post) for status in each)
    assert statuses == {202: 1, 200: 199}
    assert Event.objects.count() == ProcessedEvent.objects.count() == 1
    assert EventStat.objects.get().events == 1
    assert IngestBatch.objects.get().processed == 1


def test_overlapping_batches_in_opposite_order_do_not_deadlock(settings):
    """The same users, counts and subscriptions, and left-overs, in four workers."""
    settings.INBOX_ROWS_PER_TRANSACTION = 1
    subscriptions = [SubscriptionFactory() for _ in range(20)]
    draft = PromotionFactory()
    for number in range(20):
        events = [
            event(subscription_id=one.pk, type=kind)
            for _ in range(5)
            for one in subscriptions
            for kind in ("VIEW", "CLICK", "REDEEM")
        ]
        events += [event(user_id=one.user_id, promotion_id=draft.pk) for one in subscriptions[:3]]
        events += [event(subscription_id=9_000_000 + number) for number in range(3)]
        send(*(events if number % 2 else reversed(events)))

    def drain(_number):
        taken = []
        # One row a claim, so that the four workers hold overlapping rows.
        while claimed := claim():
            taken.append(process(claimed))
        return sum(taken)

    assert sum(at_once(4, drain)) == 20 * 306
    assert Event.objects.count() == sum(cell.events for cell in EventStat.objects.all()) == 6_000
    assert sum(cell.new_users for cell in EventStat.objects.all()) == 60
    headers = IngestBatch.objects.all()
    assert {(one.processed, one.dead, one.retrying) for one in headers} == {(300, 3, 3)}
    assert violations() == {}
