"""Lists of facts: in which order they are, and that no filter reads a large table whole."""

import json
from datetime import timedelta

import pytest
from django.db import connection

from engagement import partitions, selectors
from engagement.models import Event
from engagement.tests.factories import event, send_and_process
from promopulse.lib.time import db_now
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/events"
ROWS = 60_000

# One promotion of 300 gets half of all. A month in the past, so that it is the same every day.
_MANY = """
INSERT INTO engagement_event (id, event_id, type, promotion_id, user_id, occurred_at, received_at)
    SELECT n + 1, 'm' || n, 'VIEW', CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + n % 299 END, n % 3000,
        '{start}'::timestamptz + {when}, now()
    FROM generate_series(0, {last}) n;
INSERT INTO engagement_eventstat (promotion_id, type, hour, events, new_users, amount)
    SELECT promotion_id, type, date_trunc('hour', occurred_at, 'UTC'), count(*), 0, 0
    FROM engagement_event GROUP BY 1, 2, 3;
ANALYZE engagement_event;
"""
IN_ORDER = f"n * interval '28 days' / {ROWS}"
SHUFFLED = f"(n * 7919::bigint % {ROWS}) * interval '28 days' / {ROWS}"


@pytest.fixture
def start():
    month = partitions.month_after(db_now().date(), -2)
    partitions.ensure([month])
    return partitions.start_of(month)


def fill(start, when):
    with connection.cursor() as cursor:
        cursor.execute(_MANY.format(start=start, when=when, last=ROWS - 1))
        name = f"{partitions.partition_name(start.date())}_occurred_at_idx"
        cursor.execute("SELECT brin_summarize_new_values(%s)", [name])


def looked_at(node):
    """Rows that a plan touched in the facts, and whether it read the full month whole."""
    rows, whole = 0, False
    if "Relation Name" in node and node["Relation Name"].startswith("engagement_event_2"):
        rows = node["Actual Rows"] + sum(
            node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck")
        )
        whole = node["Node Type"] == "Seq Scan" and rows > 0
    for child in node.get("Plans", []):
        more, whole_below = looked_at(child)
        rows, whole = rows + more, whole or whole_below
    return rows, whole


def page(**wanted):
    rows = selectors.facts(**wanted).order_by("-place")[:101]
    plan = json.loads(rows.explain(format="json", analyze=True))
    return len(rows), *looked_at(plan[0]["Plan"])


def test_the_last_that_was_counted_comes_first_whenever_it_happened(as_role):
    subscription = SubscriptionFactory()
    now = db_now()
    for name, ago in (("new", 0), ("late", 300), ("middle", 100)):
        at = (now - timedelta(seconds=ago)).isoformat()
        sent = event(subscription_id=subscription.pk, event_id=name, occurred_at=at)
        send_and_process(sent)
    client = as_role("ops")
    listed = [one["event_id"] for one in client.get(URL).json()["results"]]
    assert listed == ["middle", "late", "new"]
    period = {"from": (now - timedelta(days=1)).isoformat()}
    first = client.get(URL, {**period, "limit": 2}).json()
    rest = client.get(first["next"]).json()
    assert [one["event_id"] for one in first["results"] + rest["results"]] == listed


def test_events_of_one_request_are_in_its_order():
    subscriptions = [SubscriptionFactory() for _ in range(5)]
    people = [one.user_id for one in subscriptions]
    sent = [
        event(subscription_id=subscriptions[n * 3 % 5].pk)
        if n % 2
        else event(user_id=people[n * 2 % 5], promotion_id=subscriptions[0].promotion_id)
        for n in range(50)
    ]
    send_and_process(*sent)
    ids = list(Event.objects.order_by("id").values_list("event_id", flat=True))
    assert ids == [one["event_id"] for one in sent]


@pytest.mark.parametrize("promotion_id", [None, 1, 5])
def test_an_old_day_is_found_without_passing_all_that_is_newer(start, promotion_id):
    fill(start, IN_ORDER)
    since = start + timedelta(days=2)
    found, rows, whole = page(
        promotion_id=promotion_id, since=since, until=since + timedelta(days=1)
    )
    assert found > 0
    assert rows < ROWS / 15
    assert not whole


@pytest.mark.parametrize("promotion_id", [None, 1])
def test_a_long_period_is_not_gathered_to_show_a_page_of_it(start, promotion_id):
    fill(start, IN_ORDER)
    found, rows, whole = page(promotion_id=promotion_id, since=start)
    assert found == 101
    assert rows < 1_000
    assert not whole


def test_what_arrived_in_no_order_is_found_without_reading_all(start):
    fill(start, SHUFFLED)
    since = start + timedelta(days=2)
    found, rows, whole = page(promotion_id=5, since=since, until=since + timedelta(days=1))
    assert found > 0
    assert rows < ROWS / 8
    assert not whole
    found, rows, whole = page(user_id=7, since=since)
    assert found > 0
    assert rows < 100
    assert not whole


def test_lists_ask_a_fixed_number_of_queries(as_role, start, django_assert_num_queries):
    fill(start, IN_ORDER)
    client = as_role("ops")
    client.get(URL)
    for period in {}, {"from": start.isoformat()}:
        with django_assert_num_queries(2):  # who asks, and the page
            client.get(URL, {"promotion_id": 1, **period})
