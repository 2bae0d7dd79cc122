"""The two real data sets, imported whole: every count, user and cent is what was counted apart.

The data is not ours to ship. PROMOPULSE_DATA names its folder; without it a folder `shared/data`
beside the project is used, and without that these tests are skipped.
"""

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from engagement.models import EventType
from promopulse.environment import PROJECT
from promopulse.tests.commands import run
from promopulse.tests.live import API_KEY
from promotions.models import Promotion

DATA = Path(os.environ.get("PROMOPULSE_DATA") or PROJECT.parent / "shared" / "data")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all((DATA / name).is_dir() for name in ("starbucks", "openbandit")),
        reason=f"no real data in {DATA}; PROMOPULSE_DATA names its folder",
    ),
]

# What is imported, in this order, with its own options; each under --source <name of the folder>.
IMPORTS = {
    "starbucks": [
        ("import_promotions", "promotions.json", "--activate"),
        ("import_users", "customers.csv.gz"),
        ("import_subscriptions", "subscriptions.csv.gz"),
        ("import_events", "events.ndjson.gz"),
    ],
    "openbandit": [
        ("import_promotions", "promotions.json", "--activate"),
        ("import_events", "events.ndjson.gz", "--map", "segment_id=user_id", "--create-users"),
    ],
}
ROWS = {"starbucks": [10, 17_000, 63_288, 132_365], "openbandit": [80, 40_207]}


def expected(name):
    """Per promotion and type: events, unique users, amount."""
    truth = json.loads((DATA / name / "expected_totals.json").read_text())["per_promotion"]
    return {
        f"{name}:{number}": {
            kind: (
                total["events"],
                total.get("customers", total.get("segments")),
                Decimal(total.get("amount_total", 0)),
            )
            for kind, total in types.items()
        }
        for number, types in truth.items()
    }


def counted(stats):
    """The same of a stats answer."""
    assert set(stats["totals"]) == set(EventType.values)
    return {
        kind: (total["events"], total["users"], Decimal(total["amount"]))
        for kind, total in stats["totals"].items()
        if total["events"]
    }


def test_all_of_it_in_this_process(db, as_role):
    client = as_role("marketer")

    def everything():
        found = {}
        for promotion in Promotion.objects.all():
            answer = client.get(f"/api/v1/promotions/{promotion.pk}/stats")
            found[promotion.source_id] = counted(answer.json())
        return found

    for again in (False, True):
        for name, imports in IMPORTS.items():
            for rows, (command, file, *options) in zip(ROWS[name], imports, strict=True):
                if command == "import_events":
                    options += ["--via", "direct"]
                done = run(command, DATA / name / file, "--source", name, *options)
                assert (done.code, done.data["rows"], done.data["failed"]) == (0, rows, 0)
                new = done.data.get("created", done.data.get("accepted"))
                assert new == (0 if again else rows), command
        assert everything() == expected("starbucks") | expected("openbandit")


@pytest.fixture
def instance(live):
    live.ensure("web", "worker", "beat")
    yield live
    live.kill("worker")


@pytest.mark.faults
def test_starbucks_through_server_and_worker(instance):
    for again in (False, True):
        for command, file, *options in IMPORTS["starbucks"]:
            if command == "import_events":
                options += ["--via", "http", "--wait", "--api-key", API_KEY]
            path = str(DATA / "starbucks" / file)
            done = instance.manage(command, path, "--source", "starbucks", "--json", *options)
            data = json.loads(done.stdout)
            assert data["failed"] == 0
            assert (data.get("created", 0) + data.get("accepted", 0) == 0) is again
        ids = dict(
            instance.sql(
                "SELECT source_id, id FROM promotions_promotion WHERE source_id LIKE 'star%'"
            )
        )
        for source_id, totals in expected("starbucks").items():
            status, stats = instance.request("GET", f"/api/v1/promotions/{ids[source_id]}/stats")
            assert status == 200
            assert counted(stats) == totals
    audit = instance.manage("audit", "--json", check=False)
    assert json.loads(audit.stdout)["violations"] == 0, audit.stdout
