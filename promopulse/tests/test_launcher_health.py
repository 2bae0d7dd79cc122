"""The health checks of the launcher and of containers."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from promopulse.launcher import health


class Web(BaseHTTPRequestHandler):
    """Answers as Django does: to its own name only."""

    def do_GET(self) -> None:
        known = self.headers["Host"] == "promo.example.com" and self.path == "/health/ready"
        self.send_response(200 if known else 400)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing to say."""


@pytest.fixture
def web(monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Web)
    monkeypatch.setenv("PORT", str(server.server_port))
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("allowed", "ready"),
    [
        ("promo.example.com,localhost", True),
        (".promo.example.com", True),
        ("shop.example.com", False),
        ("*", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("bound_to", ["127.0.0.1", "0.0.0.0"])
def test_web_is_asked_by_a_name_it_allows(web, monkeypatch, allowed, ready, bound_to):
    monkeypatch.setenv("ALLOWED_HOSTS", allowed)
    monkeypatch.setenv("BIND_ADDRESS", bound_to)
    assert health.web_is_ready() is ready


def test_nobody_there_is_not_ready(web, monkeypatch):
    monkeypatch.setenv("PORT", "1")
    assert not health.web_is_ready()


def test_beat_is_well_while_it_writes(tmp_path):
    assert not health.beat_is_well(tmp_path)
    schedule = tmp_path / "beat-schedule.db"
    schedule.touch()
    assert health.beat_is_well(tmp_path)
    long_ago = time.time() - health.BEAT_SILENCE_SECONDS - 1
    os.utime(schedule, (long_ago, long_ago))
    assert not health.beat_is_well(tmp_path)
