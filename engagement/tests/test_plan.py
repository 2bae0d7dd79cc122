"""The processing statement stays linear in the size of a set, whatever the planner guesses."""

import json

import pytest
from django.db import connection

from engagement.models import IngestBatch
from engagement.processing import statement
from engagement.tests.factories import event, send
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


def quadratic_joins(node):
    """Nested loops whose inner side is read whole for each row of the outer one."""
    found = []
    children = node.get("Plans", [])
    if node["Node Type"] == "Nested Loop":
        inner = children[1]
        while inner["Node Type"] in ("Aggregate", "Materialize", "Sort"):
            inner = inner["Plans"][0]
        if inner["Node Type"] == "CTE Scan":
            found.append(inner["CTE Name"])
    for child in children:
        found += quadratic_joins(child)
    return found


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_no_join_reads_a_set_for_each_of_its_rows(mode):
    subscription = SubscriptionFactory()
    for _ in range(4):
        send(*(event(subscription_id=subscription.pk) for _ in range(500)))
    rows = list(IngestBatch.objects.values_list("pk", flat=True))
    text = statement._FROM_INBOX
    for place, name in enumerate(("rows", "first", "last"), start=1):
        text = text.replace(f"%({name})s", f"${place}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE engagement_ingestbatch")
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        cursor.execute(f"PREPARE planned (bigint[], int, int) AS {text}")
        cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE planned (ARRAY{rows}, 1, 2147483647)")
        plan = cursor.fetchone()[0]
        cursor.execute("DEALLOCATE planned")
    plan = json.loads(plan) if isinstance(plan, str) else plan
    counting = [
        name
        for name in quadratic_joins(plan[0]["Plan"])
        if name in ("first", "counted", "good", "newcomers", "judged")
    ]
    assert counting == []
