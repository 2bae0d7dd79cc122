"""What every route does: headers, request ids, clean paths, problem documents."""

import re

import pytest

pytestmark = pytest.mark.django_db


def test_every_answer_has_its_headers(client):
    response = client.get("/health")
    assert response.json() == {"status": "ok"}
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-XSS-Protection"] == "1; mode=block"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["Referrer-Policy"] == "same-origin"
    assert float(response["X-Process-Time"]) >= 0


def test_browsers_are_bound_to_https_only_where_that_is_on(client, settings):
    assert client.get("/health")["Strict-Transport-Security"] == "max-age=0"
    settings.SECURE_HSTS_SECONDS = 31_536_000
    assert client.get("/health")["Strict-Transport-Security"] == "max-age=31536000"


def test_a_request_id_is_kept_or_made(client):
    assert client.get("/health", headers={"X-Request-ID": "abc-1"})["X-Request-ID"] == "abc-1"
    assert len(client.get("/health", headers={"X-Request-ID": "a b"})["X-Request-ID"]) == 32


def test_unknown_api_route_is_a_problem(client):
    response = client.get("/api/v1/nothing", headers={"X-Request-ID": "r-1"})
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "/problems/not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing here.",
        "instance": "/api/v1/nothing",
        "code": "not_found",
        "params": {},
        "errors": [],
        "request_id": "r-1",
    }


@pytest.mark.parametrize("path", ["/", "/problems/not_found", "/health/ready", "/docs", "/redoc"])
def test_pages_open(client, path):
    assert client.get(path).status_code == 200
    assert client.get(path.rstrip("/") + "/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/admin/login/"])
def test_pages_load_nothing_from_elsewhere(client, path):
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', client.get(path).content.decode())


def test_a_browser_finds_the_icon(client):
    assert client.get("/favicon.ico")["Location"].startswith("/static/promopulse/icon")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1x", "/api/v2/users"])
def test_nothing_under_api_is_html(client, path):
    assert client.get(path)["Content-Type"] == "application/problem+json"


def test_nul_in_query_is_refused(client):
    assert client.get("/api/v1/nothing?q=%00").status_code == 400


def test_a_body_over_the_limit_is_refused(client):
    response = client.post(
        "/api/v1/nothing", b"x" * (11 * 1024 * 1024), content_type="application/json"
    )
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


def test_a_length_of_thousands_of_digits_is_no_fault(client):
    for digits in ("0" * 5_000, "9" * 5_000):
        response = client.post(
            "/api/v1/auth/logout", b"{}", "application/json", CONTENT_LENGTH=f"{digits}1"
        )
        assert 400 <= response.status_code < 500
