"""The browsable API: a person in a browser, with forms that work."""

import pytest

from promotions.models import Promotion
from promotions.tests.admin_pages import logged_in
from promotions.tests.factories import PromotionFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/promotions"
# The form as it comes, with what must be filled in filled in.
TYPED = {
    "name": "June",
    "description": "",
    "start_at": "2026-06-01T00:00:00Z",
    "end_at": "2026-07-01T00:00:00Z",
    "timezone": "",
    "currency": "",
    "source_id": "",
    "metadata": "{}",
}
HTML = {"Accept": "text/html"}


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def test_pages_open_with_their_forms(client):
    promotion = PromotionFactory(budget=10)
    for path, words in (
        ("", 'name="start_at"'),
        (f"/{promotion.pk}", promotion.name),
        (f"/{promotion.pk}/budget", 'name="total"'),
        (f"/{promotion.pk}/budget/entries", "&quot;fund&quot;"),
        (f"/{promotion.pk}/history", "results"),
    ):
        page = client.get(f"{URL}{path}", headers=HTML)
        assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert words in page.content.decode(), path


def test_a_form_makes_a_draft(client):
    assert 'name="metadata"' in client.get(URL, headers=HTML).content.decode()
    assert client.post(URL, TYPED, headers=HTML).status_code == 201
    promotion = Promotion.objects.get()
    assert (promotion.name, promotion.timezone, promotion.metadata) == ("June", "UTC", {})
    assert (promotion.is_targeted, promotion.source_id) == (False, None)


@pytest.mark.parametrize("metadata", ["", "null", "[", "[]", "[" * 10_000, '{"a": "\\u0000"}'])
def test_a_form_with_broken_json_is_refused(client, metadata):
    response = client.post(URL, TYPED | {"metadata": metadata})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/metadata"
    assert not Promotion.objects.exists()
