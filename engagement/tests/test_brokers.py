"""Workers that hear of events over another broker than Redis. No beat runs: only the bell wakes."""

import json
import time

import pytest

from engagement.tests.chaos import INGEST, audit_is_clean, counted
from promopulse.tests.fake_sqs import FakeSqs

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# Far more than it takes: the machine may be busy with other things.
PATIENCE_SECONDS = 120


class Shop:
    """Sends events one by one and knows how many."""

    def __init__(self, instance, make):
        self.instance = instance
        self.make = make
        self.sent = 0

    def send(self):
        started = time.monotonic()
        status, _ = self.instance.request("POST", INGEST, self.make(1)[0])
        assert status == 202
        assert time.monotonic() - started < 2, "the broker held up a request"
        self.sent += 1

    def send_until_all_are_counted(self):
        """One a second, so that a ring that failed is followed by another."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.send()
            look_again = time.monotonic() + 1
            while time.monotonic() < look_again:
                if counted(self.instance, self.make.prefix) == self.sent:
                    return
                time.sleep(0.05)
            assert time.monotonic() < deadline, f"{self.sent} sent: {self.instance.log('worker')}"
            self.instance.ensure(*self.instance.processes)


@pytest.fixture
def over(instance, make):
    """Have web and a worker speak over the broker of these variables, until the test is over."""

    def choose(**variables):
        instance.env = instance.env | variables
        instance.kill("beat")
        instance.kill("web")
        instance.start("web")
        instance.start("worker")
        return Shop(instance, make)

    redis_only = dict(instance.env)
    yield choose
    instance.env = redis_only
    instance.kill("web")
    instance.start("web")


@pytest.fixture
def sqs(tmp_path):
    server = FakeSqs(tmp_path / "sqs.log")
    yield server
    server.kill()


def test_sqs_with_queues_that_the_worker_makes(instance, over, sqs):
    shop = over(BROKER_URL=sqs.url, SQS_REGION="us-east-1", SQS_QUEUE_PREFIX="shop-")
    shop.send_until_all_are_counted()

    assert set(sqs.queues()) == {"shop-events", "shop-celery"}
    made = sqs.attributes("shop-events")
    assert made["VisibilityTimeout"] == "900"
    assert made["MessageRetentionPeriod"] == "3600"

    sqs.kill()
    for _ in range(5):
        shop.send()
        time.sleep(0.5)

    # It has forgotten its queues. That ends a worker; the next one makes them again.
    sqs.start()
    shop.send_until_all_are_counted()
    assert set(sqs.queues()) == {"shop-events", "shop-celery"}
    audit_is_clean(instance)


def test_sqs_with_queues_that_are_there(over, sqs):
    for name in ("ring", "rest"):
        sqs.client().create_queue(QueueName=name)
    urls = sqs.queues()
    queues = f"events={urls['ring']},celery={urls['rest']}"
    over(BROKER_URL=sqs.url, SQS_REGION="us-east-1", SQS_QUEUES=queues).send_until_all_are_counted()
    assert set(sqs.queues()) == {"ring", "rest"}


def test_a_broker_that_only_celery_knows(over, tmp_path):
    (tmp_path / "messages").mkdir()
    folder = str(tmp_path / "messages")
    options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
    shop = over(BROKER_URL="filesystem://", BROKER_OPTIONS=json.dumps(options))
    shop.send_until_all_are_counted()
