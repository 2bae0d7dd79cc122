"""The servers of test runs: apart from each other and from the developer's own instance."""

import os

import pytest
import redis
from django.conf import settings
from kombu import Connection

from promopulse import testing
from promopulse.launcher.disposable import Servers
from promopulse.lib import brokers


def test_runs_at_the_same_time_take_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMOPULSE_HOME", str(tmp_path))
    first, second = Servers(), Servers()
    assert first.home == tmp_path / "test"
    assert second.home == tmp_path / "test-2"
    first.stop()
    third = Servers()
    assert third.home == tmp_path / "test"
    second.stop()
    third.stop()


def test_this_run_has_a_home_and_no_hand_written_file_of_its_own():
    assert os.environ["PROMOPULSE_ENV_FILE"] == os.devnull
    assert os.path.basename(os.environ["PROMOPULSE_HOME"]).startswith("test")
    assert testing.SECRETS["SECRET_KEY"] == settings.SECRET_KEY


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("redis://:pw@host:6379/0?a=1", "redis://:pw@host:6379/4?a=1"),
        ("redis://host", "redis://host/4"),
        ("unix:///a%20b/v.sock", "unix:///a%20b/v.sock?db=4"),
    ],
)
def test_a_parallel_worker_takes_a_database_of_its_own(monkeypatch, given, url):
    monkeypatch.setenv("REDIS_URL", given)

    testing._take_own_redis_database(3)

    assert os.environ["REDIS_URL"] == url
    client = redis.Redis.from_url(url)
    assert client.connection_pool.connection_kwargs["db"] == 4


def test_the_broker_takes_the_database_its_address_names(monkeypatch):
    if not settings.REDIS_URL.startswith("unix:"):
        pytest.skip("a server was given")
    monkeypatch.setenv("REDIS_URL", settings.REDIS_URL)
    testing._take_own_redis_database(40)
    with Connection(brokers.from_environment(os.environ).url) as connection:
        connection.default_channel.client.set("marker", "of the broker")
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        assert client.get("marker") == b"of the broker"
        client.flushdb()
