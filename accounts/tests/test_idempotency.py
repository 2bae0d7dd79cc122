"""Idempotency-Key: one effect, one answer, whatever happens in between."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import audit, idempotency
from accounts.models import AuditEntry, IdempotencyRecord, Pool, User
from accounts.services.erasure import erase_user
from accounts.tests.factories import PoolFactory, UserFactory
from accounts.tests.threads import at_once
from accounts.tokens import access_token
from promopulse.lib.errors import REASONS

pytestmark = pytest.mark.django_db

URL = "/api/v1/users"
BODY = {"name": "Alice", "email": "alice@example.com"}


def post(client, body=BODY, key="k-1", url=URL, **extra):
    return client.post(url, body, headers={"Idempotency-Key": key}, **extra)


@pytest.fixture
def admin(as_role):
    return as_role("admin")


def test_the_first_answer_is_given_again_byte_for_byte(admin):
    first = post(admin)
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first
    assert first["Idempotency-Key"] == "k-1"
    User.objects.filter(pk=first.json()["id"]).update(name="Renamed")
    again = post(admin)
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Content-Type"] == first["Content-Type"] == "application/json"
    assert again["Idempotent-Replayed"] == "true"
    assert again["Idempotency-Key"] == "k-1"
    assert AuditEntry.objects.filter(action="user.create").count() == 1


@pytest.mark.django_db(transaction=True)
def test_32_at_once_have_one_effect_and_one_answer():
    admin = UserFactory(role="admin")

    def send():
        client = APIClient(headers={"Authorization": f"Bearer {access_token(admin)}"})
        return post(client, {"name": "One"}, url="/api/v1/pools")

    answers = at_once(send, times=32)
    made = [answer for answer in answers if answer.status_code == 201]
    busy = [answer for answer in answers if answer.status_code == 409]
    assert len(made) + len(busy) == 32
    assert made
    assert {answer.content for answer in made} == {made[0].content}
    assert {answer.json()["code"] for answer in busy} <= {"idempotency_in_progress"}
    assert Pool.objects.count() == 1
    assert IdempotencyRecord.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_32_at_once_where_nothing_else_is_unique():
    """Only the key's lock can stop the second: a user with a source_id alone, none twice named."""
    admin, pool = UserFactory(role="admin"), PoolFactory()
    users = [user.pk for user in UserFactory.create_batch(3)]

    def send():
        client = APIClient(headers={"Authorization": f"Bearer {access_token(admin)}"})
        return post(client, {"user_ids": users}, url=f"/api/v1/pools/{pool.pk}/users")

    answers = at_once(send, times=32)
    assert {answer.status_code for answer in answers} <= {200, 409}
    bodies = {answer.content for answer in answers if answer.status_code == 200}
    assert len(bodies) == 1, "a second run would say that they are in already"
    assert json.loads(bodies.pop())["added"] == 3


@pytest.mark.parametrize("other", [{"name": "Bob", "email": "bob@example.com"}, {}])
def test_another_body_under_the_key_is_refused(admin, other):
    post(admin)
    answer = post(admin, other)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert User.objects.filter(role="customer").count() == 1


def test_another_query_is_another_request(admin):
    post(admin, url=f"{URL}?a=1")
    assert post(admin, url=f"{URL}?a=2").json()["code"] == "idempotency_key_reused"
    assert post(admin, url=f"{URL}?a=1").status_code == 201


def test_a_key_belongs_to_a_client_and_a_route(admin, as_role):
    assert post(admin).status_code == 201
    assert post(as_role("admin")).json()["code"] == "email_taken"
    assert post(admin, {"name": "P"}, url="/api/v1/pools").status_code == 201


def test_long_paths_do_not_share_a_key():
    paths = [f"/{'x' * 200}/{end}" for end in "ab"]
    names = {idempotency._operation(type("R", (), {"method": "POST", "path": p})) for p in paths}
    assert len(names) == 2
    assert all(len(name) <= idempotency.OPERATION_LENGTH for name in names)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schlüssel"])
def test_a_key_has_1_to_255_printable_characters(admin, key):
    answer = post(admin, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert User.objects.count() == 1


def test_a_refusal_that_tells_of_the_state_is_kept(admin):
    taken = UserFactory(email=BODY["email"])
    first = post(admin)
    assert (first.status_code, first.json()["code"]) == (409, "email_taken")
    erase_user(taken.pk)
    again = post(admin)
    assert again.content == first.content
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"
    assert post(admin, key="k-2").status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "Alice"}, 422),  # the serializer
        ({"name": "Alice", "source_id": "s-1"}, 422),  # the service
        ({"name": "Alice", "email": "a@b.co", "role": "ops"}, 403),
    ],
)
def test_a_refusal_of_the_request_itself_is_not_kept(as_role, body, status):
    UserFactory(source_id="s-1")
    marketer = as_role("marketer")
    assert post(marketer, body).status_code == status
    assert not IdempotencyRecord.objects.exists()
    assert post(marketer).status_code == 201


def test_every_code_that_passes_is_a_code():
    assert REASONS.keys() >= idempotency._PASSING


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_effect_and_record_leaves_neither(admin, monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(IdempotencyRecord.objects, "bulk_create", crash)
        assert post(admin).status_code == 500
    assert not User.objects.filter(role="customer").exists()
    assert not AuditEntry.objects.filter(action="user.create").exists()
    assert not IdempotencyRecord.objects.exists()
    assert post(admin).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_crash_inside_the_effect_leaves_neither(admin, monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(audit, "record", crash)
        assert post(admin).status_code == 500
    assert not User.objects.filter(role="customer").exists()
    assert not IdempotencyRecord.objects.exists()
    assert post(admin).status_code == 201


def test_an_answer_past_its_retention_is_forgotten(admin, settings):
    first = post(admin, {"name": "P"}, url="/api/v1/pools")
    old = timezone.now() - settings.IDEMPOTENCY_RETENTION - timedelta(seconds=1)
    IdempotencyRecord.objects.update(created_at=old)
    Pool.objects.all().delete()
    again = post(admin, {"name": "P"}, url="/api/v1/pools")
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]
    record = IdempotencyRecord.objects.get()
    assert record.created_at > old
    assert record.body == again.content.decode()


def test_a_form_is_the_same_whatever_its_boundary(admin):
    def send(boundary, name):
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}'
            f"\r\n--{boundary}--\r\n"
        )
        return admin.generic(
            "POST",
            "/api/v1/pools",
            body,
            content_type=f"multipart/form-data; boundary={boundary}",
            headers={"Idempotency-Key": "k-1"},
        )

    first, again, other = send("aaaa", "P"), send("bbbb", "P"), send("cccc", "Q")
    assert first.status_code == 201
    assert again.content == first.content
    assert other.json()["code"] == "idempotency_key_reused"


def test_a_form_of_a_logged_in_browser_is_read_only_once():
    """Its CSRF check reads the form before the key's bytes are asked for."""
    user = UserFactory(role="admin")
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    client.get("/api/v1/pools", headers={"Accept": "text/html"})
    token = client.cookies["csrftoken"].value
    answer = client.post(
        "/api/v1/pools",
        {"name": "P", "csrfmiddlewaretoken": token},
        format="multipart",
        headers={"Idempotency-Key": "k-1"},
    )
    assert answer.status_code == 201


def test_the_browsable_page_of_a_first_answer(admin):
    page = post(admin, {"name": "P"}, url="/api/v1/pools", HTTP_ACCEPT="text/html", format="json")
    assert page.status_code == 201
    assert page["Content-Type"].startswith("text/html")
    assert IdempotencyRecord.objects.get().content_type == "application/json"


def test_routes_that_take_no_key_ignore_it(anonymous):
    body = {"name": "A", "email": "a@b.co", "password": "12345678"}
    first = post(anonymous, body, url="/api/v1/auth/register")
    assert first.status_code == 201
    assert post(anonymous, body, url="/api/v1/auth/register").status_code == 409
    assert not IdempotencyRecord.objects.exists()


def test_stored_bodies_are_encrypted(admin):
    post(admin)
    with connection.cursor() as cursor:
        cursor.execute("SELECT encode(body, 'escape') FROM accounts_idempotencyrecord")
        (text,) = cursor.fetchone()
    assert text.startswith("gAAAA")


def test_a_replay_reads_once_and_writes_nothing(admin, django_assert_num_queries):
    post(admin)
    with django_assert_num_queries(5):  # who asks, begin, lock, look, commit
        post(admin)
