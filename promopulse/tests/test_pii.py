"""A canary e-mail and phone go through every door; then every place they could rest in is read."""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import IdempotencyRecord, User
from accounts.services import users
from accounts.tests.factories import PoolFactory, UserFactory
from accounts.tokens import access_token
from promopulse.lib import redis
from promopulse.tests import places
from promopulse.tests.commands import run
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = "Canary.Wren@aviary-of-tests.example"
PHONE = "+49 151 7766 5544"
PASSWORD = "correct horse"
# No mask keeps any of these.
TRACES = [trace.lower() for trace in ("Canary.Wren", "aviary-of-tests", PHONE, "7766 5544")]
API = "/api/v1"


def traces_in(text: str) -> set[str]:
    """Traces of the canary, in clear or as PostgreSQL shows the bytes of a column."""
    text = text.lower()
    return {trace for trace in TRACES if trace in text or trace.encode().hex() in text}


def found() -> dict[str, set[str]]:
    read = {**dict(places.tables()), **dict(places.in_redis())}
    return {place: traces for place, text in read.items() if (traces := traces_in(text))}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with places.every_log_line() as stream:
        yield stream


class Doors:
    """Drives all that takes or shows an e-mail; keeps what others than the owner are told."""

    def __init__(self, tmp_path: Any) -> None:
        self.told: list[str] = []
        self.folder = tmp_path
        self.admin = UserFactory.create(role="admin")
        self.marketer = UserFactory.create(role="marketer")
        self.pool = PoolFactory.create()

    def client(self, user: User | None = None) -> APIClient:
        headers = {"Authorization": f"Bearer {access_token(user)}"} if user else {}
        return APIClient(headers=headers)

    def tell(self, answer: Any, *statuses: int) -> Any:
        assert answer.status_code in statuses, answer.content
        self.told.append(f"{answer.headers} {answer.content.decode()}")
        return answer

    def all(self) -> None:
        self.sessions()
        canary = User.objects.by_email(EMAIL)
        assert canary is not None
        self.people(canary)
        self.pools()
        self.admin_pages(canary)
        self.admin_writes()
        self.commands()

    def sessions(self) -> None:
        client = self.client()
        body = {"name": "C", "email": EMAIL, "password": PASSWORD}
        session = client.post(f"{API}/auth/register", body)
        assert session.json()["user"]["email"] == EMAIL
        self.tell(client.post(f"{API}/auth/register", body), 409)
        login = {"email": EMAIL, "password": PASSWORD}
        assert client.post(f"{API}/auth/login", login).status_code == 200
        self.tell(client.post(f"{API}/auth/login", login | {"password": "wrong"}), 401)
        self.tell(client.post(f"{API}/auth/login", login | {"email": f"x{EMAIL}"}), 401)
        for _ in range(10):
            last = client.post(f"{API}/auth/login", login | {"password": "wrong"})
        self.tell(last, 429)
        token = {"refresh_token": session.json()["refresh_token"]}
        assert client.post(f"{API}/auth/refresh", token).status_code == 200
        self.tell(client.post(f"{API}/auth/refresh", token), 401)

    def people(self, canary: User) -> None:
        marketer, admin, own = map(self.client, (self.marketer, self.admin, canary))
        assert own.patch(f"{API}/users/{canary.pk}", {"phone": PHONE}).json()["phone"] == PHONE
        taken = {"name": "D", "email": EMAIL.upper(), "phone": PHONE}
        for client in (marketer, admin):
            key = {"Idempotency-Key": f"k-{client}"}
            for _ in range(2):
                self.tell(client.post(f"{API}/users", taken, headers=key), 409)
        made = {"name": "E", "email": f"second.{EMAIL}", "phone": PHONE}
        for _ in range(2):
            key = {"Idempotency-Key": "k-1"}
            self.tell(marketer.post(f"{API}/customers", made, headers=key), 201)
        other = UserFactory.create()
        self.tell(admin.patch(f"{API}/users/{other.pk}", {"email": EMAIL}), 409)
        self.tell(marketer.patch(f"{API}/users/{other.pk}", {"email": EMAIL}), 403)
        self.tell(marketer.post(f"{API}/users", made | {"email": f"@{EMAIL}"}), 422)
        self.tell(marketer.post(f"{API}/users", made | {"emial": EMAIL}), 422)
        broken = f'{{"email": "{EMAIL}", "phone": "{PHONE}"'
        self.tell(marketer.generic("POST", f"{API}/users", broken, "application/json"), 400)
        search = f"{API}/users/search/by-email"
        for email in (EMAIL, EMAIL.lower()):
            self.tell(marketer.get(search, {"email": email}), 200)
        self.tell(marketer.get(search, {"email": f"no.{EMAIL}"}), 404)
        self.tell(marketer.get(search, {"email": f"@{EMAIL}"}), 422)
        self.tell(marketer.get(f"{API}/nothing", {"email": EMAIL}), 404)
        for path in ("users", f"users/{canary.pk}", "customers", f"customers/{canary.pk}"):
            for accept in ("application/json", "text/html"):
                self.tell(marketer.get(f"{API}/{path}", headers={"Accept": accept}), 200)
        self.tell(admin.get(f"{API}/audit"), 200)
        SubscriptionFactory.create(user=canary)
        self.tell(marketer.get(f"{API}/subscriptions", {"user_id": canary.pk}), 200)

    def pools(self) -> None:
        marketer = self.client(self.marketer)
        body = {"emails": [EMAIL, f"nobody.{EMAIL}"]}
        key = {"Idempotency-Key": "k-2"}
        added = marketer.post(f"{API}/pools/{self.pool.pk}/users", body, headers=key)
        assert added.json()["unknown"] == [f"nobody.{EMAIL}"], "told to who sent it"
        self.tell(marketer.get(f"{API}/pools/{self.pool.pk}/users"), 200)

    def admin_pages(self, canary: User) -> None:
        staff = Client()
        staff.force_login(self.marketer)
        for path in (
            "",
            "accounts/user/",
            f"accounts/user/{canary.pk}/change/",
            f"accounts/user/{canary.pk}/history/",
            f"accounts/pool/{self.pool.pk}/change/",
            "subscriptions/subscription/",
            "autocomplete/?app_label=accounts&model_name=poolmembership&field_name=user&term=C",
        ):
            self.tell(staff.get(f"/admin/{path}"), 200)
        person = users.create_user(name="F", email=f"staff.{EMAIL}", role="ops", password=PASSWORD)
        form = {"username": person.email, "password": PASSWORD, "next": "/admin/"}
        assert Client().post("/admin/login/", form).status_code == 302

    def admin_writes(self) -> None:
        """Django keeps a log of its own about these."""
        admin = Client()
        admin.force_login(self.admin)
        form = {
            "name": "G",
            "email": f"third.{EMAIL}",
            "phone": PHONE,
            "role": "customer",
            "source_id": "",
            "is_active": "on",
            "new_password": PASSWORD,
        }
        assert admin.post("/admin/accounts/user/add/", form).status_code == 302
        third = User.objects.by_email(f"third.{EMAIL}")
        assert third is not None
        form["email"] = f"fourth.{EMAIL}"
        change = f"/admin/accounts/user/{third.pk}/change/"
        assert admin.post(change, form).status_code == 302
        self.tell(admin.get("/admin/"), 200)  # its list of recent actions

    def commands(self) -> None:
        file, report = self.folder / "people.csv", self.folder / "report.ndjson"
        file.write_text(
            f"id,email,phone\n1,imported.{EMAIL},{PHONE}\n2,@{EMAIL},\n3,{EMAIL},x{PHONE}\n"
        )
        for more in (["--report", report], []):
            done = run("import_users", file, "--source", "shop", *more)
            assert done.code == 3, "two bad rows"
            self.told.append(str(done))
        assert User.objects.by_email(f"imported.{EMAIL}")
        self.told.append(report.read_text())


def test_the_canary_is_nowhere_in_clear(log, tmp_path, rate_limits):
    doors = Doors(tmp_path)
    doors.all()
    assert found() == {}
    assert log.getvalue().count('"event": "request"') > 40, "the log was listened to"
    assert traces_in(log.getvalue()) == set()
    assert [told for told in doors.told if traces_in(told)] == []


def test_what_is_masked_keeps_no_trace():
    canary = UserFactory.create(email=EMAIL, phone=PHONE)
    shown = APIClient(headers={"Authorization": f"Bearer {access_token(canary)}"})
    answer = shown.get(f"{API}/auth/me").content.decode()
    assert traces_in(answer) == set(TRACES), "the owner reads all of it"


@pytest.mark.parametrize("plain", [EMAIL, EMAIL.upper(), f"tel:{PHONE}"])
def test_the_search_finds_what_is_plain(plain):
    """In text, in bytes and in Redis: else an empty result would prove nothing."""
    UserFactory.create(metadata={"x": plain})
    assert set(found()) == {"public.accounts_user"}
    User.objects.update(metadata={})
    IdempotencyRecord.objects.create(
        client="user:1",
        operation="POST /",
        key="k",
        request_hmac=plain.lower().encode(),
        status=200,
        content_type="text/plain",
        body="",
    )
    assert set(found()) == {"public.accounts_idempotencyrecord"}
    IdempotencyRecord.objects.all().delete()
    client = redis.client()
    client.hset("test:canary", "x", plain)
    try:
        assert re.search("test:canary", str(set(found())))
    finally:
        client.delete("test:canary")
