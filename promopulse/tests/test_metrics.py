"""Metrics: added up over processes, there without the database, not for everybody."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from engagement import doorbell, metrics, processing
from engagement.models import Consumption, DeadLetterEvent, IngestBatch, RetryEvent
from engagement.tests.factories import event, send, send_and_process
from promopulse.environment import PROJECT
from promopulse.lib.metrics import exposition, registry
from promopulse.tests.live import wait_for
from promotions.tests.factories import PromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

TOKEN = "a-token-of-the-scraper"


def value(name, **labels):
    """A counter of this process; 0 before it was touched."""
    return registry.get_sample_value(name, labels) or 0


def gauges():
    """Name and labels of every gauge, with its value."""
    lines = exposition(metrics.State()).decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(text) for name, text in found.items()}


class Change:
    """How much counters have grown since this was made."""

    def __init__(self, *watched):
        self._watched = watched
        self._before = self._now()

    def _now(self):
        return [value(name, **labels) for name, labels in self._watched]

    def __call__(self):
        return [now - before for now, before in zip(self._now(), self._before, strict=True)]


class TestWhoMayScrape:
    pytestmark = pytest.mark.django_db

    @pytest.fixture(autouse=True)
    def token(self, settings):
        settings.METRICS_TOKEN = TOKEN

    @pytest.mark.parametrize(
        ("address", "status"),
        [
            ("127.0.0.1", 200),
            ("127.8.9.10", 200),
            ("::1", 200),
            ("::ffff:127.0.0.1", 200),
            ("10.0.0.1", 403),
            ("::ffff:10.0.0.1", 403),
            ("", 403),
            ("unix:", 403),
        ],
    )
    def test_without_a_token_only_this_machine(self, client, address, status):
        response = client.get("/metrics", REMOTE_ADDR=address)
        assert response.status_code == status
        assert ("promopulse_" in response.content.decode()) is (status == 200)

    @pytest.mark.parametrize(
        ("authorization", "status"),
        [
            (f"Bearer {TOKEN}", 200),
            (f"bearer {TOKEN}", 200),
            ("Bearer wrong", 403),
            ("Bearer ", 403),
            (f"Bearer {TOKEN}x", 403),
        ],
    )
    def test_a_token_opens_from_anywhere(self, client, authorization, status):
        response = client.get(
            "/metrics", REMOTE_ADDR="10.0.0.1", headers={"Authorization": authorization}
        )
        assert response.status_code == status

    def test_an_empty_token_is_no_token(self, client, settings):
        settings.METRICS_TOKEN = ""
        response = client.get(
            "/metrics", REMOTE_ADDR="10.0.0.1", headers={"Authorization": "Bearer "}
        )
        assert response.status_code == 403

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via", "X-Forwarded-Proto"]
    )
    def test_what_a_proxy_hands_on_is_not_this_machine(self, client, header):
        response = client.get("/metrics", REMOTE_ADDR="127.0.0.1", headers={header: "127.0.0.1"})
        assert response.status_code == 403

    def test_nobody_makes_himself_this_machine(self, client, settings):
        settings.TRUSTED_PROXIES = 1
        response = client.get(
            "/metrics", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "127.0.0.1"}
        )
        assert response.status_code == 403

    @pytest.mark.parametrize(("name", "on"), [("HTTPS", True), ("TRUSTED_PROXIES", 1)])
    def test_behind_a_proxy_the_token_is_needed(self, client, settings, name, on):
        setattr(settings, name, on)
        assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403
        good = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/metrics", REMOTE_ADDR="127.0.0.1", headers=good).status_code == 200


@pytest.mark.django_db(transaction=True)
class TestCounters:
    def test_ingest_counts_what_it_answers(self):
        subscription = SubscriptionFactory()
        grown = Change(
            ("promopulse_events_accepted_total", {}),
            ("promopulse_events_duplicates_total", {"found": "ingest"}),
            ("promopulse_events_rejected_total", {"code": "validation_error"}),
            ("promopulse_events_rejected_total", {"code": "event_conflict"}),
            ("promopulse_events_conflicts_total", {"found": "ingest"}),
        )
        first = event(subscription_id=subscription.pk)
        send_and_process(first)
        send(first, {**first, "type": "CLICK"}, event(), event(subscription_id=subscription.pk))
        assert grown() == [2, 1, 1, 1, 1]

    def test_processing_counts_what_it_commits(self):
        subscription = SubscriptionFactory()
        draft = PromotionFactory()
        grown = Change(
            ("promopulse_events_processed_total", {}),
            ("promopulse_events_duplicates_total", {"found": "processing"}),
            ("promopulse_events_conflicts_total", {"found": "processing"}),
            ("promopulse_events_dead_total", {"cause": "promotion_not_active"}),
            ("promopulse_event_delay_seconds_count", {}),
        )
        dead = event(user_id=subscription.user_id, promotion_id=draft.pk)
        send_and_process(event(subscription_id=subscription.pk), dead)
        send_and_process(dead)
        send_and_process({**dead, "type": "CLICK"})
        assert grown() == [1, 1, 1, 1, 1]

    def test_a_retry_is_a_try_and_then_a_count(self):
        draft = SubscriptionFactory()
        grown = Change(
            ("promopulse_events_retried_total", {}), ("promopulse_events_processed_total", {})
        )
        send_and_process(event(user_id=draft.user_id + 1_000_000, promotion_id=draft.promotion_id))
        assert grown() == [0, 0]
        RetryEvent.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=1))
        processing.drain()
        assert grown() == [1, 0]

    def test_the_delay_is_weighted_by_events(self):
        subscription = SubscriptionFactory()
        grown = Change(
            ("promopulse_event_delay_seconds_count", {}),
            ("promopulse_event_delay_seconds_sum", {}),
            ("promopulse_event_delay_seconds_bucket", {"le": "5.0"}),
            ("promopulse_event_delay_seconds_bucket", {"le": "10.0"}),
        )
        send(*(event(subscription_id=subscription.pk) for _ in range(30)))
        IngestBatch.objects.update(received_at=datetime.now(UTC) - timedelta(seconds=6))
        processing.drain()
        count, total, within_5, within_10 = grown()
        assert (count, within_5, within_10) == (30, 0, 30)
        assert 180 <= total < 280

    def test_a_broken_doorbell_is_counted(self, monkeypatch):
        monkeypatch.setattr(doorbell, "_send", lambda: False)
        monkeypatch.setattr(doorbell, "_quiet_until", 0.0)
        monkeypatch.setattr(doorbell.fast_redis, "ask", lambda *command: b"OK")
        grown = Change(("promopulse_doorbell_failures_total", {}))
        assert not doorbell.ring()
        assert grown() == [1]

    def test_requests_are_counted_by_route(self, client, as_role):
        route = "api/v1/promotions/<int:promotion_id>"
        labels = {"method": "GET", "route": route, "status": "404"}
        odd = {"method": "other", "route": "unmatched", "status": "404"}
        hot = {"method": "POST", "route": "api/v1/events/ingest", "status": "401"}
        name = "promopulse_http_request_seconds_count"
        grown = Change((name, labels), (name, odd), (name, hot))
        ops = as_role("ops")
        for number in (987_654, 987_655):
            assert ops.get(f"/api/v1/promotions/{number}").status_code == 404
        client.generic("BREW", "/some/where/personal@example.com")
        client.post("/api/v1/events/ingest", {}, content_type="application/json")
        assert grown() == [2, 1, 1]
        assert "personal" not in exposition().decode()


@pytest.mark.django_db
class TestGauges:
    def test_they_say_what_waits(self):
        subscription = SubscriptionFactory()
        draft = PromotionFactory()
        send_and_process(
            event(user_id=subscription.user_id, promotion_id=draft.pk),
            event(subscription_id=987_654_321),
        )
        send(*(event(subscription_id=subscription.pk) for _ in range(3)))
        send(event(subscription_id=subscription.pk))
        IngestBatch.objects.filter(processed_at=None, accepted=3).update(
            received_at=datetime.now(UTC) - timedelta(seconds=90)
        )
        found = gauges()
        assert found["promopulse_database_up"] == 1
        assert found["promopulse_inbox_requests"] == 2
        assert found["promopulse_inbox_events"] == 4
        assert 90 <= found["promopulse_inbox_oldest_seconds"] < 200
        assert found["promopulse_events_retrying"] == RetryEvent.objects.count() == 1
        assert found['promopulse_dead_letters_open{cause="promotion_not_active"}'] == 1
        assert found["promopulse_consumption_paused"] == 0
        now = datetime.now(UTC)
        Consumption.objects.update_or_create(pk=1, defaults={"paused_at": now, "probe_at": now})
        DeadLetterEvent.objects.update(state="discarded", closed_at=now)
        found = gauges()
        assert found["promopulse_consumption_paused"] == 1
        assert not [name for name in found if "dead_letters_open" in name]

    def test_an_empty_inbox_has_no_oldest(self):
        assert gauges()["promopulse_inbox_oldest_seconds"] == 0

    def test_they_are_capped(self, monkeypatch):
        monkeypatch.setattr(
            metrics, "_STATE", metrics._STATE.replace(str(metrics.INBOX_ROWS_COUNTED), "2")
        )
        subscription = SubscriptionFactory()
        for _ in range(3):
            send(event(subscription_id=subscription.pk))
        assert gauges()["promopulse_inbox_requests"] == 2

    def test_without_the_database_the_counters_still_answer(self, client):
        def away(*args):
            raise OperationalError("away")

        metrics.ACCEPTED.inc(0)
        with connection.execute_wrapper(away):
            response = client.get("/metrics")
        assert response.status_code == 200
        text = response.content.decode()
        assert "promopulse_database_up 0.0" in text
        assert "promopulse_events_accepted_total" in text
        assert "promopulse_inbox" not in text


_COUNT = """
import os, sys, time
from promopulse.lib import metrics
seen = metrics.counter("seen", "Seen.", "by")
took = metrics.histogram("took", "Took.", buckets=(1.0, 10.0))
seen.labels("all").inc(int(sys.argv[1]))
took.observe_many([(0.5, 2), (5.0, int(sys.argv[1]))])
if sys.argv[2] == "fork":
    child = os.fork()
    seen.labels("all").inc(100)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
print("counted", flush=True)
sys.stdin.read()
"""
_SHOW = "from promopulse.lib import metrics; print(metrics.exposition().decode())"


class Processes:
    """Processes that count in one folder until they are ended."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
        self.running = []

    def start(self, number, how="plain"):
        process = subprocess.Popen(
            [sys.executable, "-c", _COUNT, str(number), how],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"counted\n"
        self.running.append(process)
        return process

    def shown(self):
        done = subprocess.run(
            [sys.executable, "-c", _SHOW],
            cwd=PROJECT,
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        )
        lines = done.stdout.splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))

    def files(self):
        return sorted(file.name for file in self.folder.glob("*.db"))


@pytest.fixture
def processes(tmp_path):
    made = Processes(tmp_path / "metrics")
    yield made
    for process in made.running:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_the_counts_of_processes_add_up(processes):
    processes.start(3)
    processes.start(4)
    shown = processes.shown()
    assert shown['seen_total{by="all"}'] == "7.0"
    assert shown['took_bucket{le="1.0"}'] == "4.0"
    assert shown['took_bucket{le="10.0"}'] == "11.0"
    assert shown["took_sum"] == "37.0"


def test_a_forked_child_counts_for_itself(processes):
    processes.start(3, "fork")
    assert processes.shown()['seen_total{by="all"}'] == "203.0"


def test_what_ended_processes_counted_stays_and_their_files_go(processes):
    for _ in range(3):
        process = processes.start(5)
        process.kill()
        process.wait()
    alive = processes.start(1)
    shown = processes.shown()
    assert shown['seen_total{by="all"}'] == "16.0"
    assert shown['took_bucket{le="10.0"}'] == "24.0"
    assert "counter_ended.db" in processes.files()
    ours = re.compile(r"(counter|histogram)_[0-9a-f]{16}\.db")
    # Of the living one; the one that shows them has begun files of its own too.
    assert len([name for name in processes.files() if ours.fullmatch(name)]) <= 4
    alive.kill()
    alive.wait()
    assert processes.shown()['seen_total{by="all"}'] == "16.0"


def test_an_empty_file_does_no_harm(processes):
    processes.start(2)
    (processes.folder / "counter_0123456789abcdef.db").touch()
    assert processes.shown()['seen_total{by="all"}'] == "2.0"


@pytest.mark.slow
def test_a_running_instance_shows_what_web_and_workers_did(live):
    """Through HTTP, in a real web process, counted in a real worker."""
    subscription = int(
        live.python(
            "from subscriptions.tests.factories import SubscriptionFactory\n"
            "from accounts.tests.factories import UserFactory\n"
            "user = UserFactory(email='metrics@example.com')\n"
            "print(SubscriptionFactory(user=user).pk)"
        )
    )
    for name in ("web", "worker"):
        live.start(name)
    try:
        for number in range(20):
            status, _ = live.request(
                "POST",
                "/api/v1/events/ingest",
                {"event_id": f"m-{number}", "type": "VIEW", "subscription_id": subscription},
            )
            assert status == 202
        wait_for(lambda: live.waiting() == 0, 30, "nothing was processed")
        time.sleep(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{live.port}/metrics") as response:
            text = response.read().decode()
    finally:
        for name in ("web", "worker"):
            live.kill(name)
    assert "promopulse_events_accepted_total 20.0" in text
    assert "promopulse_events_processed_total 20.0" in text
    assert "promopulse_event_delay_seconds_count 20.0" in text
    assert (
        'promopulse_http_request_seconds_count{method="POST",route="api/v1/events/ingest",'
        'status="202"} 20.0' in text
    )
