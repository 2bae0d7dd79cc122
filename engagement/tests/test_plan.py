"""The processing statement stays linear in the size of a set, whatever the planner guesses."""

import json
import re

import pytest
from django.db import connection

from engagement import rebuild
from engagement.models import IngestBatch
from engagement.processing import statement
from engagement.tests.factories import event, send
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


COUNTING = {
    *("source", "named", "judged", "first", "taken", "good", "strangers", "newcomers", "unaware"),
}
GROWING = {"subscriptions_subscription", "accounts_user", "engagement_promotionuser"}


def quadratic_joins(node):
    """What nested loops read whole for each row of their outer side."""
    found = []
    children = node.get("Plans", [])
    if node["Node Type"] == "Nested Loop":
        inner = children[1]
        while inner["Node Type"] in ("Aggregate", "Materialize", "Sort"):
            inner = inner["Plans"][0]
        found += whole_reads(inner)
    for child in children:
        found += quadratic_joins(child)
    return found


def whole_reads(node):
    below = [name for child in node.get("Plans", []) for name in whole_reads(child)]
    by_index = node["Node Type"] in ("Index Scan", "Index Only Scan")
    if node["Node Type"] in ("CTE Scan", "Seq Scan") or (by_index and "Index Cond" not in node):
        below.append(node.get("CTE Name") or node["Relation Name"])
    return below


def subscription_looks(node):
    """By what the index conditions find subscriptions."""
    if node.get("Relation Name") == "subscriptions_subscription" and "Scan" in node["Node Type"]:
        conditions = ("Index Cond", "Recheck Cond", "TID Cond")
        yield next((node[name] for name in conditions if name in node), "everything")
    for child in node.get("Plans", []):
        yield from subscription_looks(child)


def as_emptied(table, row):
    """What a table looks like that had rows and has none: it is thought never to have any."""
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} {row}")
        cursor.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("emptied", [False, True])
@pytest.mark.parametrize("text", [statement._FROM_REQUESTS, statement._FROM_LETTERS])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_no_join_reads_a_set_for_each_of_its_rows(mode, text, emptied):
    subscription = SubscriptionFactory()
    if emptied:
        columns = "(promotion_id, type, user_id, first_hour)"
        as_emptied("engagement_promotionuser", f"{columns} VALUES (1, 'VIEW', 1, now())")
    for _ in range(4):
        send(*(event(subscription_id=subscription.pk) for _ in range(500)))
    rows = list(IngestBatch.objects.values_list("pk", flat=True))

    for place, name in enumerate(("rows", "first", "last"), start=1):
        text = text.replace(f"%({name})s", f"${place}")
    with connection.cursor() as cursor:
        # A plan made while the tables are as small as this is kept when they grow.
        cursor.execute("ANALYZE")
        cursor.execute(statement.NO_WHOLE_TABLES)
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        cursor.execute(f"PREPARE planned (bigint[], int, int) AS {text}")
        cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE planned (ARRAY{rows}, 1, 2147483647)")
        plan = cursor.fetchone()[0]
        cursor.execute("DEALLOCATE planned")
    plan = json.loads(plan) if isinstance(plan, str) else plan
    assert set(quadratic_joins(plan[0]["Plan"])) & (COUNTING | GROWING) == set()
    looks = set(subscription_looks(plan[0]["Plan"]))
    assert any("user_id" in condition for condition in looks)
    assert not any("promotion_id" in condition for condition in looks)
    assert "everything" not in looks


def test_a_rebuild_locks_tables_in_the_order_in_which_they_are_counted():
    """PostgreSQL locks the tables of a statement as its text names them."""
    wanted = re.findall(r"engagement_\w+", rebuild._STOP_COUNTING)
    for text in (statement._FROM_REQUESTS, statement._FROM_LETTERS, statement._FROM_RETRIES):
        named = list(dict.fromkeys(re.findall(r"engagement_\w+", text)))
        assert [name for name in named if name in wanted] == wanted
