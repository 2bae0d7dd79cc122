"""What ingest asks of a table that grows stays a walk along its index."""

import json

import pytest
from django.db import connection

from engagement import ingest

pytestmark = pytest.mark.django_db


def node_types(node):
    yield node["Node Type"], node.get("Relation Name")
    for child in node.get("Plans", []):
        yield from node_types(child)


def test_known_ids_are_found_by_the_index_whatever_the_plan_was_made_for():
    text = ingest._LOOK
    for place, name in enumerate(("key_id", "user_id", "token_version", "ids"), start=1):
        text = text.replace(f"%({name})s", f"${place}")
    with connection.cursor() as cursor:
        # As a server sees an empty table that was swept: reading it whole costs nothing.
        cursor.execute("ANALYZE engagement_processedevent")
        cursor.execute(ingest._BY_INDEX)
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE looking (text, text, text, text) AS {text}")
        cursor.execute("EXPLAIN (FORMAT JSON) EXECUTE looking (NULL, NULL, NULL, 'a,b')")
        plan = cursor.fetchone()[0]
        cursor.execute("DEALLOCATE looking")
    plan = json.loads(plan) if isinstance(plan, str) else plan
    nodes = set(node_types(plan[0]["Plan"]))
    assert ("Seq Scan", "engagement_processedevent") not in nodes
    assert any(name == "engagement_processedevent" for _, name in nodes)
