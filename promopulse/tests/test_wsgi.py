"""What is put right before Django sees a request."""

from io import BytesIO

import pytest
from django.core import signals
from django.db import close_old_connections, connection

from accounts.tokens import access_token
from promopulse.wsgi import _django, application

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_connection():
    """A real request ends with its connection closed; a test's holds its transaction."""
    both = (signals.request_started, signals.request_finished)
    for signal in both:
        signal.disconnect(close_old_connections)
    yield
    for signal in both:
        signal.connect(close_old_connections)


def ask(body=b"", **environ):
    """The status line, the content type and the body of an answer to one raw request."""
    seen = []
    answer = application(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/api/v1/auth/me",
            "QUERY_STRING": "a=1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.input": BytesIO(body),
            "wsgi.input_terminated": True,
            **environ,
        },
        lambda status, headers: seen.append((status, dict(headers)["Content-Type"])),
    )
    (status, content_type), text = seen[0], b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return status, content_type, text


@pytest.fixture
def admin(as_role):
    return f"Bearer {access_token(as_role('admin').user)}"


@pytest.mark.parametrize(
    "parameters", ["charset=hex", "charset=undefined", "x*=undefined''%ff", "x*=no_such''a"]
)
def test_a_codec_named_in_a_content_type_is_not_used(parameters):
    status, content_type, _ = ask(CONTENT_TYPE=f"application/json; {parameters}")
    assert status == "401 Unauthorized"
    assert content_type == "application/problem+json"


def test_forms_keep_their_boundary(admin):
    part = b'Content-Disposition: form-data; name="name"\r\n\r\nBeta \xc3\xa9'
    status, _, text = ask(
        b"--x y\r\n" + part + b"\r\n--x y--\r\n",
        REQUEST_METHOD="POST",
        PATH_INFO="/api/v1/pools",
        CONTENT_TYPE='multipart/form-data; charset=hex; boundary="x y"',
        HTTP_AUTHORIZATION=admin,
        HTTP_TRANSFER_ENCODING="chunked",
    )
    assert status == "201 Created", text
    assert "Beta é".encode() in text


def chunked(body, path, admin):
    return ask(
        body,
        REQUEST_METHOD="POST",
        PATH_INFO=path,
        CONTENT_TYPE="application/json",
        HTTP_AUTHORIZATION=admin,
        HTTP_TRANSFER_ENCODING="chunked",
    )


@pytest.mark.parametrize("path", ["/api/v1/pools", "/api/v1/events/ingest"])
def test_a_chunked_body_is_read_and_limited(admin, settings, path):
    status, _, text = chunked(b'{"nmae": "Beta"}', path, admin)
    assert (status, b"nmae" in text) == ("422 Unprocessable Entity", True)
    settings.MAX_BODY_BYTES = 10
    status, _, text = chunked(b'{"nmae": "Beta"}', path, admin)
    assert (status, b"too_large" in text) == ("413 Request Entity Too Large", True)


@pytest.mark.django_db(transaction=True)
def test_ingest_gives_the_connection_back_without_the_signals_of_a_request():
    status, _, _ = ask(
        REQUEST_METHOD="POST",
        PATH_INFO="/api/v1/events/ingest",
        HTTP_AUTHORIZATION=f"Api-Key pp_{'a' * 12}_{'b' * 43}",
    )
    assert status == "401 Unauthorized"
    assert connection.connection is None


def test_a_route_that_was_found_is_found_again(admin):
    """Those of a path without a parameter are remembered, and lead no other path astray."""
    for _ in range(2):
        status, _, text = ask(HTTP_AUTHORIZATION=admin)
        assert (status, b'"role":"admin"' in text) == ("200 OK", True)
        assert ask(PATH_INFO="/api/v1/auth/you")[0] == "404 Not Found"
        for number in (987_654, 987_655):
            path = f"/api/v1/users/{number}"
            assert ask(PATH_INFO=path, HTTP_AUTHORIZATION=admin)[0] == "404 Not Found"
    assert set(_django._known) >= {"/api/v1/auth/me"}
    assert not [path for path in _django._known if "98765" in path]
