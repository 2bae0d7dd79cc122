"""What is not counted sets its id free, and may be sent again: that one may be counted."""

import pytest

from accounts.tests.factories import UserFactory
from engagement import processing
from engagement.models import (
    DeadLetterEvent,
    Event,
    IngestBatch,
    ProcessedEvent,
    RetryEvent,
)
from engagement.processing import statement, work
from engagement.processing.claim import claim
from engagement.processing.work import process
from engagement.tests.factories import event, send, send_and_process
from engagement.tests.interleaved import ahead
from engagement.tests.letters import (
    activate,
    counted,
    states,
    violations,
)
from engagement.tests.poison import poisoned
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nothing_lately"),
]


class Refused:
    """A draft, which may become active."""

    def __init__(self, _monkeypatch):
        self._promotion = PromotionFactory()
        self.sent = event(user_id=UserFactory().pk, promotion_id=self._promotion.pk)

    def mend(self):
        activate([self.sent])


class MaybeLater:
    """A subscription that may appear."""

    def __init__(self, _monkeypatch):
        self._pk = SubscriptionFactory().pk + 1
        self.sent = event(subscription_id=self._pk)

    def mend(self):
        SubscriptionFactory(pk=self._pk)


class Failing:
    """An event that a deploy cannot process, which the next one can."""

    def __init__(self, monkeypatch):
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(statement, "_run", poisoned("raise"))
        self.sent = event(subscription_id=SubscriptionFactory().pk, event_id="poison-1")

    def mend(self):
        self._patch.undo()


@pytest.fixture(params=[Refused, MaybeLater, Failing])
def trouble(request, monkeypatch):
    found = request.param(monkeypatch)
    yield found
    if request.param is Failing:
        found.mend()


def undelivered():
    return DeadLetterEvent.objects.count() + RetryEvent.objects.count()


def held(sent):
    return ProcessedEvent.objects.filter(pk=sent["event_id"]).exists()


def headers():
    return [
        (one.processed, one.duplicates, one.retrying + one.dead)
        for one in IngestBatch.objects.order_by("pk")
    ]


def test_what_is_not_counted_may_be_sent_again(trouble):
    first = send(trouble.sent)
    assert held(trouble.sent)
    processing.drain()
    assert not held(trouble.sent)
    assert violations() == {}
    assert send(trouble.sent).accepted == 1
    assert held(trouble.sent)
    assert send(trouble.sent).duplicates == 1, "while that one waits"
    processing.drain()
    assert not held(trouble.sent)
    assert headers() == [(0, 0, 1), (0, 1, 0)]
    assert violations() == {}
    trouble.mend()
    assert send_and_process(trouble.sent).accepted == 1
    assert held(trouble.sent)
    assert headers() == [(0, 1, 0), (0, 1, 0), (1, 0, 0)]
    assert counted() == Event.objects.count() == 1
    assert (states(), RetryEvent.objects.count()) in (({"superseded": 1}, 0), ({}, 0))
    assert IngestBatch.objects.get(pk=first.batch_id).processed_at
    assert violations() == {}


def test_it_is_free_when_all_of_it_is_done_and_not_before(trouble, monkeypatch):
    send(trouble.sent)
    finish = work._finish

    def power_cut(*given):
        assert not held(trouble.sent)
        assert undelivered() == 1
        finish(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work, "_finish", power_cut)
        with pytest.raises(KeyboardInterrupt):
            processing.drain()
    assert held(trouble.sent)
    assert undelivered() == 0
    assert violations() == {}
    assert send(trouble.sent).duplicates == 1


def test_only_what_is_not_counted_is_set_free():
    subscription = SubscriptionFactory()
    fine = [event(subscription_id=subscription.pk) for _ in range(3)]
    unknown = event(subscription_id=9_999_999)
    send_and_process(fine[0], unknown, *fine[1:])
    assert [held(one) for one in fine] == [True] * 3
    assert not held(unknown)


def test_who_sends_it_again_waits_until_it_is_free(trouble):
    send(trouble.sent)
    taken = claim()
    with ahead(lambda: process(taken)):
        assert send(trouble.sent).accepted == 1
    assert headers() == [(0, 0, 1), (0, 0, 0)]
    assert violations() == {}
