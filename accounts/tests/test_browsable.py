"""The API in a browser: pages, forms, OPTIONS."""

import pytest
from rest_framework.test import APIClient

from accounts.models import Pool
from accounts.tests.factories import PoolFactory, UserFactory

pytestmark = pytest.mark.django_db

HTML = {"Accept": "text/html"}


@pytest.fixture
def browser():
    """A logged-in admin, as a browser sends it: session cookie, CSRF check."""
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(UserFactory(role="admin"))
    return client


@pytest.mark.parametrize(
    "path",
    "auth/me auth/admin/users auth/api-keys users users/{user} customers customers/{user} pools "
    "pools/{pool} pools/{pool}/users audit".split(),
)
def test_pages_open(browser, path):
    path = path.format(user=UserFactory().pk, pool=PoolFactory().pk)
    page = browser.get(f"/api/v1/{path}", headers=HTML)
    assert page.status_code == 200
    assert page["Content-Type"].startswith("text/html")


def test_a_form_posts(browser):
    page = browser.get("/api/v1/pools", headers=HTML).content.decode()
    assert 'name="name"' in page
    form = {"name": "P", "csrfmiddlewaretoken": browser.cookies["csrftoken"].value}
    assert browser.post("/api/v1/pools", form, format="multipart", headers=HTML).status_code == 201
    assert Pool.objects.get().name == "P"


def test_forms_start_empty_so_that_nothing_is_unmasked(as_role):
    alice = UserFactory(email="alice@example.com", phone="+4915112345678")
    page = as_role("marketer").get(f"/api/v1/users/{alice.pk}", headers=HTML).content.decode()
    assert "a***e@e***.com" in page
    assert "PATCH" in page
    assert "alice@example.com" not in page
    assert "4915112345678" not in page


@pytest.mark.parametrize("path", ["users", "users/1", "pools/1/users", "auth/login", "audit"])
def test_options_answer(as_role, path):
    assert as_role("admin").options(f"/api/v1/{path}").status_code == 200
