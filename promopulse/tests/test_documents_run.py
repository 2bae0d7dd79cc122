"""What the documents tell people to type is typed, against a whole instance with the demo world."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from promopulse.environment import PROJECT
from promopulse.tests.live import API_KEY, Instance, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]

# Stands before curl in the path, since documents have a function of that name: tells of each call
# on stderr, in order, and ends each answer with a line break.
RECORDER = """#!/bin/sh
exec {curl} "$@" -w '%{{stderr}}%{{http_code}} %{{method}} %{{url_effective}}\\n%{{stdout}}\\n'
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = Instance(tmp_path_factory.mktemp("documents"))
    try:
        made.env |= {"DEMO": "1", "DEMO_API_KEY": API_KEY}
        made.manage("migrate")
        made.manage("demo")
        made.start("web")
        made.start("worker")
        first = {"event_id": "warm-up", "type": "VIEW", "user_id": 4, "promotion_id": 1}
        made.request("POST", "/api/v1/events/ingest", first)
        wait_for(lambda: not made.waiting(), 60, "the worker counts nothing")
        yield made
    finally:
        made.close()


def blocks(document: str, language: str, begin: str = "", end: str = "") -> list[str]:
    """What stands in the fences of a document, between two of its lines."""
    text = (PROJECT / document).read_text(encoding="utf-8")
    text = text[text.index(begin) :]
    text = text[: text.index(end, 1)] if end else text
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def typed(instance: Instance, folder: Path, lines: list[str]) -> tuple[list[str], str]:
    """Type the lines into one shell: the calls made (`201 POST path`), and what was shown."""
    (folder / "DEMO_API_KEY").write_text(API_KEY)
    recorder = folder / "bin" / "curl"
    recorder.parent.mkdir()
    recorder.write_text(RECORDER.format(curl=shutil.which("curl")))
    recorder.chmod(0o755)
    path = f"{recorder.parent}{os.pathsep}{os.environ['PATH']}"
    site = f"http://127.0.0.1:{instance.port}"
    script = "\n".join(["set -u", *lines])
    script = script.replace("http://localhost:8000", site)
    script = script.replace(".promopulse/secrets/DEMO_API_KEY", "DEMO_API_KEY")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr + instance.log("web")
    calls = re.findall(r"^(\d{3} [A-Z]+) https?://[^/]+(?:/api/v1)?/(\S+)$", done.stderr, re.M)
    shown = done.stdout.replace("\n", "")
    return [f"{call} {re.sub(r'[?].*', '', path)}" for call, path in calls], shown


def test_the_readme(instance, tmp_path):
    calls, shown = typed(
        instance, tmp_path, blocks("README.md", "sh", "## A first event", "## Concepts")
    )
    calls = [re.sub(r"/\d+", "/N", call) for call in calls]
    of_books = calls[16:]
    assert calls[:16] == [
        "200 POST auth/login",
        "201 POST promotions",
        "200 POST promotions/N/status",
        "200 GET users/search/by-email",
        "201 POST subscriptions",
        "202 POST events/ingest",
        "200 POST events/ingest",
        "200 GET promotions/N/stats",
        # The five calls of a shop
        "201 POST customers",
        "201 POST campaigns",
        "200 POST discounts/available",
        "201 POST discounts/apply",
        "200 GET discounts/usage/N",
        # and what comes of more
        "422 POST discounts/apply",
        "409 DELETE campaigns/N",
        "200 PATCH campaigns/N/status",
    ]
    assert of_books[0] == "201 POST books"
    assert [call for call in of_books if not call.startswith("2")] == []
    for words in (
        '{"status":"accepted"}{"status":"duplicate"}',
        '"CLICK":{"events":1,"users":1',
        '"discount_amount":"18.00","final_amount":"102.00"',
        '"code":"daily_limit_reached"',
        '"code":"promotion_in_use"',
        '"effective_status":"ended"',
    ):
        assert words in shown


def test_the_api_guide(instance, tmp_path):
    (program,) = blocks("docs/api.md", "python")
    (tmp_path / "shop.py").write_text(program)
    run = re.search(r"run `(SITE=.* shop.py)`", (PROJECT / "docs/api.md").read_text())
    assert run is not None
    calls, shown = typed(instance, tmp_path, [*blocks("docs/api.md", "sh"), run[1]])
    refused = [call for call in calls if not call.startswith("2")]
    assert [re.sub(r"/\d+", "/N", call) for call in refused] == ["422 POST promotions/N/status"]
    assert len(calls) > 35
    assert "7.50 off, to pay: 67.50" in shown


def test_a_call_that_fails_is_seen(instance, tmp_path):
    calls, _shown = typed(instance, tmp_path, ["curl -s http://localhost:8000/api/v1/promotions"])
    assert calls == ["401 GET promotions"]
