"""Log lines: one JSON object each, with the request they are about, and nothing personal."""

import io
import json
import logging

import pytest
from django.db import DataError

from engagement import tasks
from engagement.models import IngestBatch
from engagement.processing import statement, work
from engagement.processing.claim import claim
from engagement.processing.work import process
from engagement.tests.factories import event
from promopulse.lib import context, sql
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/events/ingest"


@pytest.fixture
def lines():
    """What the processes' own handler writes, line by line."""
    written = io.StringIO()
    (ours,) = (h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    handler = logging.StreamHandler(written)
    handler.setFormatter(ours.formatter)
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def sent(shop, *request_ids):
    subscription = SubscriptionFactory()
    for request_id in request_ids:
        one = event(subscription_id=subscription.pk)
        response = shop.post(URL, one, headers={"X-Request-ID": request_id})
        assert response.status_code == 202


def about(lines, words):
    (line,) = (line for line in lines() if line["event"].startswith(words))
    return line


def test_the_workers_line_names_the_requests(as_service, lines):
    sent(as_service("events:write"), "shop-2", "shop-1")
    context.begin("")  # the worker is another process
    tasks.drain_inbox.apply(throw=True)
    line = about(lines, "inbox processed")
    assert line["request_ids"] == ["shop-1", "shop-2"]
    assert (line["rows"], line["events"]) == (2, 2)
    assert line["logger"] == "engagement.processing.work"
    assert "request_id" not in line


def test_a_workers_error_names_the_requests(as_service, lines, monkeypatch):
    def broken(*args):
        raise DataError("an odd value")

    sent(as_service("events:write"), "shop-3")
    context.begin("")
    monkeypatch.setattr(statement, "_run", broken)
    monkeypatch.setattr(work, "_apart", broken)
    tasks.drain_inbox.apply()
    line = about(lines, "a set failed")
    assert line["request_ids"] == ["shop-3"]
    assert line["exception"].startswith("Traceback")
    line = about(lines, "Task engagement.drain_inbox")
    assert line["request_ids"] == ["shop-3"]
    assert line["level"] == "error"
    assert "DataError: an odd value" in line["exception"]
    frame = "in _in_transaction"
    assert json.dumps(line).count(frame) == line["exception"].count(frame) > 0, "stands there once"


def test_the_next_rows_do_not_carry_the_last_ones_names(as_service, lines, monkeypatch):
    shop = as_service("events:write")
    sent(shop, "shop-4")
    context.begin("")
    taken = claim()
    assert process(taken) == 1
    assert context.request_ids.get() == ("shop-4",)

    def broken(*args):
        raise DataError("no claim")

    monkeypatch.setattr(sql, "fetch_all", broken)
    tasks.drain_inbox.apply()
    assert "request_ids" not in about(lines, "Task engagement.drain_inbox")


def test_many_requests_do_not_make_an_endless_line(lines):
    names = {str(n): work.Held(1, None, f"shop-{n}", "api") for n in range(200)}
    assert len(work._request_ids(names)) == 50


def test_no_line_has_a_query_string_or_a_body(as_service, lines):
    shop = as_service("events:write", "read", "customers:write")
    personal = "someone.personal@example.com"
    shop.get(f"/api/v1/users/search/by-email?email={personal}")
    shop.post(URL, {**event(subscription_id=1), "metadata": {"mail": personal}})
    shop.post(URL, b'{"broken": "%s"' % personal.encode(), content_type="application/json")
    context.begin("")
    tasks.drain_inbox.apply(throw=True)
    assert len(lines()) >= 3
    assert personal not in json.dumps(lines())
    assert IngestBatch.objects.count() == 1
