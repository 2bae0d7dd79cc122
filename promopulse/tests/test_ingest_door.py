"""The hot route takes a shorter way, yet keeps the manners of all others."""

import pytest

from engagement.models import IngestBatch
from engagement.tests.factories import event
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/events/ingest"


@pytest.fixture
def shop(as_service):
    return as_service("events:write")


@pytest.fixture
def sent():
    return event(subscription_id=SubscriptionFactory().pk)


def test_headers_and_length(shop, sent):
    response = shop.post(URL, sent)
    assert response.status_code == 202
    assert response["Content-Length"] == str(len(response.content))
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "X-Request-ID"):
        assert response[name]


def test_a_browser_of_an_allowed_origin_may_read_the_answer(shop, sent, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    response = shop.post(URL, sent, headers={"Origin": "https://shop.example"})
    assert response.status_code == 202
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    response = shop.post(URL, sent, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in response


def test_a_preflight_allows_our_headers(client, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    response = client.options(
        "/api/v1/promotions",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "idempotency-key",
        },
    )
    assert "idempotency-key" in response["Access-Control-Allow-Headers"]


def test_a_host_that_is_not_allowed_is_refused(shop, sent):
    response = shop.post(URL, sent, headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert response.json()["code"] == "malformed"
    assert IngestBatch.objects.count() == 0


def test_plain_http_is_sent_to_https_where_that_is_on(shop, sent, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert shop.post(URL, sent).status_code == 301
    assert IngestBatch.objects.count() == 0
