"""What Celery is told about each kind of broker."""

import pytest
from django.conf import settings
from kombu import Connection

from engagement import doorbell
from promopulse import doctor, workers
from promopulse.celery import app
from promopulse.lib import brokers
from promopulse.lib import redis as fast_redis
from promopulse.lib.sqs import Channel

QUEUES = "events=https://sqs/1/ring,celery=https://sqs/1/rest"


def broker(**environ):
    return brokers.from_environment({"REDIS_URL": "redis://here/0"} | environ)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("redis://:pw@host:6379/3", "redis://:pw@host:6379/3"),
        ("unix:///a%20b/v.sock", "redis+socket:///a%20b/v.sock"),
        ("unix:///v.sock?db=4", "redis+socket:///v.sock?virtual_host=4"),
    ],
)
def test_without_a_name_it_is_redis(given, url):
    made = broker(REDIS_URL=given)
    assert made.url == url
    assert made.options["visibility_timeout"] > settings.CELERY_TASK_TIME_LIMIT
    assert broker(BROKER_URL=given) == made


def test_a_broker_of_another_kind_gets_none_of_the_options_of_redis():
    assert broker(BROKER_URL="amqp://guest:guest@host//") == brokers.Broker(
        "amqp://guest:guest@host//", {}
    )


def test_options_are_added_to_what_the_url_says():
    made = broker(BROKER_URL="sentinel://one:26379", BROKER_OPTIONS='{"master_name": "main"}')
    assert made.options["master_name"] == "main"
    assert made.options["socket_timeout"] == 30
    made = broker(BROKER_URL="sqs://", BROKER_OPTIONS='{"polling_interval": 3}')
    assert made.options["polling_interval"] == 3


def test_sqs_makes_queues_of_its_own():
    assert broker(BROKER_URL="sqs://").options == {
        "visibility_timeout": 900,
        "polling_interval": 0.1,
        "queue_name_prefix": "promopulse-",
        "sqs-creation-attributes": {"MessageRetentionPeriod": "3600"},
    }


def test_sqs_by_its_variables():
    options = broker(
        BROKER_URL="sqs://",
        SQS_REGION="eu-central-1",
        SQS_QUEUE_PREFIX="shop-",
        SQS_VISIBILITY_TIMEOUT_SECONDS="600",
    ).options
    assert options["region"] == "eu-central-1"
    assert options["queue_name_prefix"] == "shop-"
    assert options["visibility_timeout"] == 600


def test_sqs_with_queues_that_exist():
    options = broker(BROKER_URL="sqs://", SQS_QUEUES=QUEUES, SQS_QUEUE_PREFIX="unused-").options
    assert options["predefined_queues"] == {
        "events": {"url": "https://sqs/1/ring"},
        "celery": {"url": "https://sqs/1/rest"},
    }
    assert "queue_name_prefix" not in options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQS_QUEUES", "events=https://sqs/1/ring"),
        ("SQS_QUEUES", "events,celery"),
        ("SQS_VISIBILITY_TIMEOUT_SECONDS", "15m"),
        ("BROKER_OPTIONS", "[1]"),
        ("BROKER_OPTIONS", "{"),
    ],
)
def test_what_is_not_understood_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        broker(BROKER_URL="sqs://", **{name: value})


def test_a_sender_gives_up_early_where_its_library_lets_it():
    amqp = brokers.sender_options("amqp://host", {}, seconds=5)
    assert amqp == {"read_timeout": 5, "write_timeout": 5}
    sqs = broker(
        BROKER_URL="sqs://", BROKER_OPTIONS='{"client-config": {"max_pool_connections": 3}}'
    )
    hurried = brokers.sender_options(sqs.url, sqs.options, seconds=5)["client-config"]
    assert hurried == {
        "max_pool_connections": 3,
        "connect_timeout": 5,
        "read_timeout": 5,
        "retries": {"total_max_attempts": 1},
    }


def test_celery_and_the_doorbell_read_one_setting():
    with app.connection_for_write() as connection:
        assert connection.as_uri() == Connection(settings.CELERY_BROKER_URL).as_uri()


def test_an_answer_of_5xx_from_sqs_does_not_end_a_worker():
    # What kombu makes of it; a channel that connects to nothing is enough to be told.
    assert Channel.__new__(Channel)._on_messages_ready("url", "events", []) == 0


def test_over_sqs_the_doctor_goes_by_the_last_heartbeat(monkeypatch):
    monkeypatch.setattr(app, "connection_for_read", lambda: Connection("sqs://key:secret@nowhere"))
    fast_redis.ask("DEL", doorbell.HEARTBEAT)
    assert doctor.working().level is doctor.Level.ERROR
    assert not workers.here_is_well()
    doorbell.beat_heart()
    assert doctor.working().level is doctor.Level.OK
    assert workers.here_is_well()
    fast_redis.ask("DEL", doorbell.HEARTBEAT)
