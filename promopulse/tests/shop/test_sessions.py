"""The pages' door: who comes in, by which answer others are turned away, how one leaves."""

import pytest
from django.contrib.auth import hashers
from django.db import OperationalError
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.tests.factories import UserFactory
from promopulse.tests.shop.browsing import logged_in
from promotions.coupons import wallet
from promotions.coupons.tests.factories import held

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse"
PAGES = ["/my", "/my/coupons", "/my/offers", "/my/activity"]


@pytest.fixture
def alice():
    user = UserFactory(name="Alice", email="Alice@Example.com")
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(client, email="alice@example.com", password=PASSWORD, **more):
    return client.post("/login", {"username": email, "password": password, **more})


def test_a_customer_logs_in_and_the_trail_says_so(client, alice):
    answer = log_in(client, "ALICE@example.com")
    assert (answer.status_code, answer["Location"]) == (302, "/my")
    assert "Hello, Alice" in client.get("/my").content.decode()
    entry = AuditEntry.objects.get(action="user.log_in")
    assert (entry.actor_user_id, entry.object_id, entry.via) == (alice.pk, alice.pk, "page")
    assert User.objects.get(pk=alice.pk).last_login is not None


def test_staff_log_in_too_and_go_on_where_they_wanted(client, alice):
    User.objects.filter(pk=alice.pk).update(role="marketer")
    assert log_in(client, next="/my/offers?cart_value=1")["Location"] == "/my/offers?cart_value=1"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:1"])
def test_nobody_is_led_to_another_site(client, alice, elsewhere):
    assert log_in(client, next=elsewhere)["Location"] == "/my"
    assert client.get("/login", {"next": elsewhere})["Location"] == "/my"


@pytest.mark.parametrize(
    ("email", "password"),
    [("alice@example.com", "mistaken"), ("nobody@example.com", PASSWORD)],
)
def test_unknown_people_and_wrong_passwords_are_answered_alike(
    client, alice, monkeypatch, email, password
):
    hashed = []
    encode = hashers.MD5PasswordHasher.encode

    def counting(self, *arguments):
        hashed.append(arguments)
        return encode(self, *arguments)

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", counting)
    answer = log_in(client, email, password)
    assert answer.status_code == 401
    assert "The e-mail or the password is wrong." in answer.content.decode()
    assert password not in answer.content.decode()
    assert len(hashed) == 1  # the same time
    assert client.get("/my").status_code == 302


def test_the_erased_and_the_switched_off_stay_outside(client, alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert log_in(client).status_code == 401


def test_the_limit_is_that_of_the_api(rate_limits, client, anonymous, alice):
    body = {"email": "alice@example.com", "password": "wrong"}
    for _ in range(5):
        assert anonymous.post("/api/v1/auth/login", body).status_code == 401
        assert log_in(client, password="wrong").status_code == 401
    refused = log_in(client)
    assert refused.status_code == 429
    assert "Over the limit of 10" in refused.content.decode()
    assert int(refused["Retry-After"]) >= 1
    assert client.get("/my").status_code == 302


def test_log_out_ends_the_session_and_takes_the_locks_along(client, alice):
    log_in(client)
    coupon = held(alice)
    client.post(f"/my/coupons/{coupon.pk}/act", {"action": "lock"})
    assert f"lock_{coupon.pk}" in client.cookies
    assert client.get("/logout").status_code == 405
    answer = client.post("/logout")
    assert answer["Location"] == "/login"
    assert client.cookies[f"lock_{coupon.pk}"].value == ""
    assert client.get("/my").status_code == 302
    assert AuditEntry.objects.filter(action="user.log_out", actor_user=alice).count() == 1


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_logged_in_does_so_first_and_comes_back(client, path):
    answer = client.get(f"{path}?tab=x")
    assert answer.status_code == 302
    assert answer["Location"] == f"/login?next={path.replace('/', '%2F')}%3Ftab%3Dx"


@pytest.mark.parametrize("path", [*PAGES, "/login"])
def test_pages_open_with_and_without_a_final_slash_and_are_not_kept(path):
    client = Client() if path == "/login" else logged_in()
    for spelling in (path, f"{path}/"):
        page = client.get(spelling)
        assert page.status_code == 200
        assert "no-store" in page["Cache-Control"]
        assert "script-src 'self';" in page["Content-Security-Policy"]
        assert "style-src 'self';" in page["Content-Security-Policy"]
        assert " style=" not in page.content.decode()
        assert b"<script>" not in page.content


def test_a_form_without_its_token_is_refused_in_words():
    client = Client(enforce_csrf_checks=True)
    user = UserFactory()
    client.force_login(user)
    coupon = held(user)
    answer = client.post(f"/my/coupons/{coupon.pk}/act", {"action": "redeem"})
    assert answer.status_code == 403
    assert "Load the page anew" in answer.content.decode()
    coupon.refresh_from_db()
    assert coupon.state == "ASSIGNED"


def test_an_outage_is_said_and_not_a_fault(monkeypatch):
    def away(user_id):
        raise OperationalError("away")

    monkeypatch.setattr(wallet, "counts", away)
    answer = logged_in().get("/my")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) >= 1
