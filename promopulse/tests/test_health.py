"""What the load balancer and the person at night are told."""

import pytest
from django.db import OperationalError, connection

from engagement import doorbell
from promopulse import doctor, health
from promopulse.lib import redis as fast_redis

pytestmark = pytest.mark.django_db


def test_readiness_names_missing_workers(client):
    parts = client.get("/health/ready").json()["parts"]
    assert parts["workers"] == "none seen for 15 s"
    doorbell.beat_heart()
    assert client.get("/health/ready").json() == {
        "status": "ok",
        "parts": {"database": "ok", "redis": "ok", "workers": "ok", "consumption": "ok"},
    }
    fast_redis.client().delete(doorbell.HEARTBEAT)


def test_a_read_only_database_takes_no_events_and_says_so(client):
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")  # until the test is rolled back
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.json()["parts"]["database"] == "read-only"
    assert doctor.database().level is doctor.Level.ERROR


def test_a_database_that_goes_away_between_two_questions(client, monkeypatch):
    def gone():
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(health, "_paused", gone)
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.json()["parts"]["database"] == "unreachable"
