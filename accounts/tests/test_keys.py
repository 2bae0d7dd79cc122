"""API keys: shown once, kept hashed, revoked at once."""

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts import keys
from accounts.models import ApiKey, AuditEntry
from promopulse.lib.errors import NotFound

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/api-keys"


def test_a_key_is_shown_once_works_and_is_revoked_at_once(as_role):
    admin = as_role("admin")
    made = admin.post(URL, {"name": "Shop", "scopes": ["read", "customers:write", "read"]})
    assert made.status_code == 201
    text = made.json()["key"]
    assert made.json()["scopes"] == ["customers:write", "read"]
    listed = admin.get(URL).json()["results"]
    assert [row["id"] for row in listed] == [made.json()["id"]]
    assert text not in str(listed)
    assert listed[0]["last_used_at"] is None

    service = APIClient(headers={"Authorization": f"Api-Key {text}"})
    assert service.get("/api/v1/pools").status_code == 200
    assert admin.get(URL).json()["results"][0]["last_used_at"]

    assert admin.delete(f"{URL}/{made.json()['id']}").status_code == 204
    assert service.get("/api/v1/pools").status_code == 401
    assert admin.delete(f"{URL}/{made.json()['id']}").status_code == 404
    actions = AuditEntry.objects.values_list("action", flat=True)
    assert sorted(actions) == ["api_key.create", "api_key.revoke"]


def test_a_key_is_kept_hashed():
    _key, text = keys.create_key(name="Shop", scopes=["read"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT k::text FROM accounts_apikey k")
        assert text[16:] not in str(cursor.fetchall())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1] + ("a" if text[-1] != "a" else "b"),
        lambda text: text[:16],
        lambda text: "pp_" + "x" * 12 + text[15:],
        lambda text: "",
    ],
)
def test_a_text_that_is_no_key(spoil):
    _key, text = keys.create_key(name="Shop", scopes=["read"])
    service = APIClient(headers={"Authorization": f"Api-Key {spoil(text)}"})
    answer = service.get("/api/v1/pools")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"]


@pytest.mark.parametrize(
    "body",
    [{"name": "x"}, {"name": "x", "scopes": []}, {"name": "x", "scopes": ["all"]}, {"scopes": 1}],
)
def test_wrong_bodies(as_role, body):
    assert as_role("admin").post(URL, body).status_code == 422
    assert not ApiKey.objects.exists()


def test_its_use_is_noted_to_the_minute(django_assert_num_queries):
    _key, text = keys.create_key(name="Shop", scopes=["read"])
    assert keys.find_live(text)
    first = ApiKey.objects.get().last_used_at
    assert keys.find_live(text)
    assert ApiKey.objects.get().last_used_at == first


def test_a_key_that_is_gone_cannot_be_revoked():
    with pytest.raises(NotFound):
        keys.revoke_key(987654)


def test_the_list_takes_one_query(as_role, django_assert_num_queries):
    admin = as_role("admin")
    for number in range(5):
        keys.create_key(name=f"Shop {number}", scopes=["read"])
    with django_assert_num_queries(2):
        assert len(admin.get(URL).json()["results"]) == 5
