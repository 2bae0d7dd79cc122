"""Users and customers through the routes: shapes, masks, collisions, who may set what."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import AuditEntry, RefreshToken, User
from accounts.services import sessions, users
from accounts.tests.factories import UserFactory
from accounts.tests.threads import at_once
from accounts.tokens import access_token

pytestmark = pytest.mark.django_db

URL = "/api/v1/users"
CUSTOMERS = "/api/v1/customers"


@pytest.fixture
def admin(as_role):
    return as_role("admin")


@pytest.fixture
def marketer(as_role):
    return as_role("marketer")


def test_make_a_user(admin):
    body = {
        "first_name": "Alice",
        "last_name": "Adams",
        "email": "Alice@Example.com",
        "phone": "+49 151 2345678",
        "source_id": "shop:1",
    }
    answer = admin.post(URL, body)
    assert answer.status_code == 201
    data = answer.json()
    assert data["full_name"] == data["name"] == "Alice Adams"
    assert data["email"] == "Alice@Example.com"
    assert data["phone"] == "+49 151 2345678"
    assert (data["role"], data["source_id"]) == ("customer", "shop:1")
    user = User.objects.get(pk=data["id"])
    assert not user.has_usable_password()
    entry = AuditEntry.objects.get(action="user.create", object_id=user.pk)
    assert entry.actor_user_id == admin.user.pk
    assert entry.after["email"] == "(hidden)"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"name": "A"}, {"/email"}),
        ({"email": "a@b.co"}, {"/name"}),
        ({"name": "A", "email": "no address"}, {"/email"}),
        ({"name": "A", "email": "a@b.co", "emial": "x"}, {"/emial"}),
        ({"name": "A", "email": "a@b.co", "id": 7, "full_name": "B"}, {"/id", "/full_name"}),
        ({"name": "A", "first_name": "B", "email": "a@b.co"}, {"/name"}),
        ({"name": "A", "email": "a@b.co", "role": "king"}, {"/role"}),
        ({"name": "A", "email": "a@b.co", "phone": "call me"}, {"/phone"}),
        ({"name": ["A"], "email": {"a": 1}, "phone": True}, {"/name", "/email", "/phone"}),
        ({"name": "A", "email": f"{'a' * 250}@b.co"}, {"/email"}),
    ],
)
def test_a_body_that_is_wrong_names_its_fields(admin, body, pointers):
    answer = admin.post(URL, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers
    assert User.objects.count() == 1


def test_a_user_may_have_a_source_id_only(admin):
    answer = admin.post(URL, {"name": "A", "source_id": "s-1"})
    assert (answer.status_code, answer.json()["email"]) == (201, None)


@pytest.mark.parametrize(
    ("url", "status"), [(URL, 201), (CUSTOMERS, 201), ("/users", 201), (f"{URL}/", 201)]
)
def test_every_door_makes_the_same_user(admin, url, status):
    answer = admin.post(url, {"name": "A", "email": "a@b.co"})
    assert answer.status_code == status
    assert User.objects.get(pk=answer.json()["id"]).role == "customer"


def test_taken_email_and_source_id(admin):
    UserFactory(email="taken@example.com", source_id="s-1")
    answer = admin.post(URL, {"name": "A", "email": "Taken@Example.COM"})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    answer = admin.post(URL, {"name": "A", "source_id": "s-1"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/source_id")
    assert AuditEntry.objects.filter(action="user.create").count() == 0


@pytest.mark.django_db(transaction=True)
def test_many_make_one_email_at_once():
    admin = UserFactory(role="admin")

    def make():
        client = APIClient(headers={"Authorization": f"Bearer {access_token(admin)}"})
        return client.post(URL, {"name": "A", "email": "same@example.com"}).status_code

    assert sorted(at_once(make, times=8)) == [201] + [409] * 7


def test_who_reads_an_email(admin, marketer, as_role, as_service, as_user):
    alice = UserFactory(email="alice@example.com", phone="+4915112345678")
    clear = ("alice@example.com", "+4915112345678")
    masked = ("a***e@e***.com", "***78")
    readers = [
        (admin, clear),
        (as_user(alice), clear),
        (marketer, masked),
        (as_role("ops"), masked),
        (as_service("customers:write"), masked),
    ]
    for client, expected in readers:
        data = client.get(f"{URL}/{alice.pk}").json()
        assert (data["email"], data["phone"]) == expected
    for route in (f"{URL}?role=customer", f"{URL}/search/by-email?email=ALICE@example.com"):
        assert "alice@example.com" not in marketer.get(route).content.decode()
    made = marketer.post(URL, {"name": "Bob", "email": "bob@example.com"}).json()
    assert made["email"] == "b***b@e***.com"


def test_find_by_whole_email(marketer):
    alice = UserFactory(email="alice@example.com")
    found = marketer.get(f"{URL}/search/by-email", {"email": "Alice@EXAMPLE.com"})
    assert (found.status_code, found.json()["id"]) == (200, alice.pk)
    missing = marketer.get(f"{URL}/search/by-email", {"email": "alic@example.com"})
    assert (missing.status_code, missing.json()["detail"]) == (404, "User not found")
    assert "alic@" not in missing.content.decode()
    assert marketer.get(f"{URL}/search/by-email").status_code == 422


def test_roles_and_passwords_are_the_admins_to_give(admin, marketer):
    body = {"name": "M", "email": "m@example.com", "role": "marketer", "password": "12345678"}
    answer = marketer.post(URL, body)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/role", "/password"}
    assert not User.objects.filter(name="M").exists()
    assert admin.post(URL, body).status_code == 201
    assert sessions.log_in(email="m@example.com", password="12345678").user.role == "marketer"


def test_change_ones_own(as_role):
    client = as_role("customer")
    url = f"{URL}/{client.user.pk}"
    answer = client.patch(url, {"name": "New", "email": "new@example.com", "phone": "+1 23"})
    assert answer.status_code == 200
    assert answer.json()["email"] == "new@example.com"
    assert User.objects.by_email("NEW@example.com").pk == client.user.pk
    assert client.patch(url, {"phone": None}).json()["phone"] is None
    assert client.patch(url, {"role": "admin"}).status_code == 403
    assert client.patch(url, {}).status_code == 200


def test_staff_change_customers_but_not_their_email(marketer):
    alice = UserFactory(name="Alice", email="alice@example.com")
    assert marketer.patch(f"{URL}/{alice.pk}", {"name": "Alicia"}).status_code == 200
    answer = marketer.patch(f"{URL}/{alice.pk}", {"name": "X", "email": "evil@example.com"})
    assert answer.status_code == 403
    alice.refresh_from_db()
    assert (alice.name, alice.email) == ("Alicia", "alice@example.com")
    colleague = UserFactory(role="ops")
    assert marketer.patch(f"{URL}/{colleague.pk}", {"name": "X"}).status_code == 403


def test_a_change_names_fields_in_the_trail(admin):
    alice = UserFactory(name="Alice", email="alice@example.com")
    answer = admin.patch(
        f"{URL}/{alice.pk}", {"name": "Alice", "email": "al@example.com", "role": "ops"}
    )
    assert answer.status_code == 200
    entry = AuditEntry.objects.get(action="user.update")
    assert entry.before == {"email": "(hidden)", "role": "customer"}
    assert entry.after == {"email": "(hidden)", "role": "ops"}


def test_changes_collide_like_creations(admin):
    UserFactory(email="taken@example.com", source_id="s-1")
    alice = UserFactory(email="alice@example.com")
    url = f"{URL}/{alice.pk}"
    assert admin.patch(url, {"email": "TAKEN@example.com"}).json()["code"] == "email_taken"
    assert admin.patch(url, {"source_id": "s-1"}).status_code == 422
    assert admin.patch(url, {"email": None}).json()["errors"][0]["pointer"] == "/email"
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


@pytest.mark.parametrize(
    "change", [{"password": "a new one"}, {"role": "ops"}, {"is_active": False}]
)
def test_what_an_admin_takes_away_ends_sessions(admin, change):
    alice = UserFactory()
    session = sessions._open(alice)
    assert admin.patch(f"{URL}/{alice.pk}", change).status_code == 200
    client = APIClient(headers={"Authorization": f"Bearer {session.access_token}"})
    assert client.get("/api/v1/auth/me").status_code == 401
    assert not RefreshToken.objects.filter(revoked_at=None).exists()


def test_customers_are_the_users_with_that_role(marketer):
    alice, staff = UserFactory(), UserFactory(role="ops")
    rows = marketer.get(CUSTOMERS).json()["results"]
    assert [row["id"] for row in rows] == [alice.pk]
    assert marketer.get(f"{CUSTOMERS}/{alice.pk}").status_code == 200
    assert marketer.get(f"{CUSTOMERS}/{staff.pk}").status_code == 404


def test_an_erased_user_is_an_id_and_nothing_else(admin):
    erased = UserFactory(
        name="", email=None, source_id=None, is_active=False, erased_at=timezone.now()
    )
    data = admin.get(f"{URL}/{erased.pk}").json()
    assert (data["name"], data["email"], data["phone"]) == ("", None, None)
    assert data["erased_at"]
    assert admin.patch(f"{URL}/{erased.pk}", {"name": "Back"}).status_code == 404
    assert erased.pk not in [row["id"] for row in admin.get(URL).json()["results"]]


def test_filters_of_the_list(marketer):
    alice = UserFactory(source_id="s-1")
    bob = UserFactory(is_active=False)

    def ids(query):
        return [row["id"] for row in marketer.get(f"{URL}?{query}").json()["results"]]

    assert ids("") == [bob.pk, alice.pk, marketer.user.pk]
    assert ids("role=customer&is_active=true") == [alice.pk]
    assert ids("is_active=false") == [bob.pk]
    assert ids("source_id=s-1") == [alice.pk]
    assert ids("source_id=s-2") == []
    for query in ("role=king", "is_active=perhaps", "limit=1000000000", "limit=0", "offset=-1"):
        answer = marketer.get(f"{URL}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


def test_pages(marketer):
    UserFactory.create_batch(4)
    first = marketer.get(f"{URL}?limit=2").json()
    assert (first["count"], len(first["results"]), first["previous"]) == (5, 2, None)
    second = marketer.get(first["next"]).json()
    third = marketer.get(second["next"]).json()
    assert (len(third["results"]), third["next"]) == (1, None)
    ids = [row["id"] for page in (first, second, third) for row in page["results"]]
    assert ids == sorted(ids, reverse=True)


def test_the_admins_list_is_in_clear(admin, marketer):
    UserFactory(email="alice@example.com")
    url = "/api/v1/auth/admin/users"
    assert "alice@example.com" in admin.get(f"{url}?role=customer").content.decode()
    assert marketer.get(url).status_code == 403


@pytest.mark.parametrize("url", [URL, CUSTOMERS, "/api/v1/auth/admin/users"])
def test_a_list_takes_one_query_however_long(admin, url, django_assert_num_queries):
    UserFactory.create_batch(3)
    for _ in range(2):
        with django_assert_num_queries(2):  # who asks, one page
            assert admin.get(url).status_code == 200
        UserFactory.create_batch(20)


def test_a_service_is_nobodys_own(as_service):
    alice = UserFactory()
    service = as_service("customers:write")
    assert service.patch(f"{URL}/{alice.pk}", {"name": "X"}).status_code == 200
    assert service.patch(f"{URL}/{alice.pk}", {"email": "x@example.com"}).status_code == 403


def test_the_service_itself_may_do_all():
    user = users.create_user(name="Root", email="root@example.com", role="admin", password="12345")
    assert user.check_password("12345")
