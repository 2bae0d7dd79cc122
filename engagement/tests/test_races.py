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
    assert set(statuses) <= {200, 202}
    assert sum(statuses.values()) == 200
    assert Event.objects.count() == ProcessedEvent.objects.count() == 1
    assert EventStat.objects.get().events == 1
    headers = IngestBatch.objects.all()
    assert sum(batch.accepted for batch in headers) == statuses[202]
    assert sum(batch.processed for batch in headers) == 1
    assert sum(batch.duplicates for batch in headers) == statuses[202] - 1


def test_overlapping_batches_in_opposite_order_do_not_deadlock(settings):
    settings.INBOX_ROWS_PER_TRANSACTION = 1
    subscriptions = [SubscriptionFactory() for _ in range(20)]
    draft = PromotionFactory()
    events = [
        event(subscription_id=subscriptions[number % 20].pk, type=kind)
        for number in range(1_000)
        for kind in ("VIEW", "CLICK")
    ]
    events += [event(user_id=subscriptions[0].user_id, promotion_id=draft.pk) for _ in range(20)]
    events += [event(subscription_id=9_000_000 + number) for number in range(20)]
    for _ in range(10):
        send(*events)
        send(*reversed(events))

    def drain(_number):
        taken = []
        # One row a claim, so that the four workers hold overlapping rows.
        while claimed := claim():
            taken.append(process(claimed))
        return sum(taken)

    at_once(4, drain)
    assert Event.objects.count() == 2_000
    assert sum(cell.events for cell in EventStat.objects.all()) == 2_000
    headers = IngestBatch.objects.all()
    assert all(batch.processed_at for batch in headers)
    assert sum(batch.processed for batch in headers) == 2_000
    assert sum(batch.dead for batch in headers) == 20
    assert sum(batch.retrying for batch in headers) == 20
