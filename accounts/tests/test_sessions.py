"""Register, log in, rotate, log out, change the password: through the routes."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import AuditEntry, RefreshToken, User
from accounts.services import sessions
from accounts.tests.factories import UserFactory
from accounts.tests.threads import at_once

pytestmark = pytest.mark.django_db

AUTH = "/api/v1/auth/"
PASSWORD = "correct horse"


@pytest.fixture
def alice():
    user = UserFactory(name="Alice", email="Alice@Example.com")
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(client, email="alice@example.com", password=PASSWORD):
    return client.post(f"{AUTH}login", {"email": email, "password": password})


def me(token):
    return APIClient().get(f"{AUTH}me", HTTP_AUTHORIZATION=f"Bearer {token}")


def test_register_makes_a_customer_who_is_logged_in(anonymous):
    body = {"name": "Ann", "email": "ann@example.com", "password": "12345678"}
    answer = anonymous.post(f"{AUTH}register", body)
    assert answer.status_code == 201
    data = answer.json()
    assert data["token_type"] == "bearer"
    assert data["expires_in"] == 1800
    assert data["user"]["email"] == "ann@example.com"
    assert data["user"]["role"] == "customer"
    assert me(data["access_token"]).json() == data["user"]


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@EXAMPLE.COM"])
def test_an_email_is_taken_in_any_letter_case(anonymous, alice, email):
    body = {"name": "Ann", "email": email, "password": "12345678"}
    answer = anonymous.post(f"{AUTH}register", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["1234567", "x" * 129])
def test_a_password_has_8_to_128_characters(anonymous, password):
    body = {"name": "Ann", "email": "ann@example.com", "password": password}
    answer = anonymous.post(f"{AUTH}register", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/password"


@pytest.mark.django_db(transaction=True)
def test_two_register_one_email_at_once():
    answers = at_once(
        lambda: APIClient().post(
            f"{AUTH}register", {"name": "A", "email": "a@example.com", "password": "12345678"}
        ),
        times=8,
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert User.objects.count() == 1


def test_login_in_any_letter_case(anonymous, alice):
    answer = log_in(anonymous, email="ALICE@example.com")
    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == alice.pk
    alice.refresh_from_db()
    assert alice.last_login is not None


def test_unknown_and_wrong_are_refused_alike(anonymous, alice):
    refusals = [
        log_in(anonymous, email="nobody@example.com"),
        log_in(anonymous, password="wrong"),
        log_in(anonymous, email="no e-mail at all"),
    ]
    alice.is_active = False
    alice.save()
    refusals.append(log_in(anonymous))
    problems = [answer.json() for answer in refusals]
    assert {problem.pop("request_id") for problem in problems}
    assert [answer.status_code for answer in refusals] == [401] * 4
    assert problems[0]["code"] == "invalid_credentials"
    assert all(problem == problems[0] for problem in problems)


@pytest.mark.parametrize("has_password", [True, False])
def test_unknown_and_wrong_take_as_long(settings, has_password):
    """With the real hash: one that is not computed would answer a hundred times faster."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"]
    user = UserFactory(email="slow@example.com")
    user.set_password(PASSWORD if has_password else None)
    user.save()
    took = []
    for email in ("slow@example.com", "nobody@example.com"):
        started = time.perf_counter()
        log_in(APIClient(), email=email, password="wrong")
        took.append(time.perf_counter() - started)
    assert max(took) < 3 * min(took)


def test_an_expired_access_token_does_not_stop_a_login(alice):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer of.bad.news")
    assert log_in(client).status_code == 200


def test_a_refresh_token_works_once(anonymous, alice):
    first = log_in(anonymous).json()
    second = anonymous.post(f"{AUTH}refresh", {"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert set(second.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert me(second.json()["access_token"]).status_code == 200
    again = anonymous.post(f"{AUTH}refresh", {"refresh_token": first["refresh_token"]})
    assert again.status_code == 401


def test_a_used_token_shown_again_ends_its_family_only(anonymous, alice):
    other = log_in(anonymous).json()["refresh_token"]
    first = log_in(anonymous).json()["refresh_token"]
    second = anonymous.post(f"{AUTH}refresh", {"refresh_token": first}).json()["refresh_token"]
    assert anonymous.post(f"{AUTH}refresh", {"refresh_token": first}).status_code == 401
    assert anonymous.post(f"{AUTH}refresh", {"refresh_token": second}).status_code == 401
    assert anonymous.post(f"{AUTH}refresh", {"refresh_token": other}).status_code == 200
    reused = AuditEntry.objects.filter(action="user.refresh_token_reused")
    assert [entry.object_id for entry in reused] == [alice.pk]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
        lambda token: User.objects.update(is_active=False),
        lambda token: User.objects.update(token_version=5),
    ],
)
def test_a_dead_refresh_token_is_refused(anonymous, alice, spoil):
    token = log_in(anonymous).json()["refresh_token"]
    spoil(token)
    answer = anonymous.post(f"{AUTH}refresh", {"refresh_token": token})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert RefreshToken.objects.count() == 1


def test_refresh_tokens_are_kept_hashed(anonymous, alice):
    token = log_in(anonymous).json()["refresh_token"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_refreshtoken t")
        assert token not in str(cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_two_refreshes_at_once_one_wins():
    user = UserFactory()
    for _ in range(5):
        token = sessions._open(user).refresh_token
        answers = at_once(
            lambda token=token: APIClient().post(f"{AUTH}refresh", {"refresh_token": token}),
            times=4,
        )
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


def test_logout_ends_the_session(anonymous, alice):
    token = log_in(anonymous).json()["refresh_token"]
    for _ in range(2):  # a second time is no error
        assert anonymous.post(f"{AUTH}logout", {"refresh_token": token}).status_code == 204
    assert anonymous.post(f"{AUTH}refresh", {"refresh_token": token}).status_code == 401


def test_a_new_password_ends_every_session_but_the_one_in_the_answer(anonymous, alice):
    old = log_in(anonymous).json()
    elsewhere = log_in(anonymous).json()
    answer = anonymous.post(
        f"{AUTH}change-password",
        {"current_password": PASSWORD, "new_password": "another horse"},
        HTTP_AUTHORIZATION=f"Bearer {old['access_token']}",
    )
    assert answer.status_code == 200
    for session in (old, elsewhere):
        assert me(session["access_token"]).status_code == 401
        refreshed = anonymous.post(f"{AUTH}refresh", {"refresh_token": session["refresh_token"]})
        assert refreshed.status_code == 401
    new = answer.json()
    assert me(new["access_token"]).status_code == 200
    refreshed = anonymous.post(f"{AUTH}refresh", {"refresh_token": new["refresh_token"]})
    assert refreshed.status_code == 200
    assert log_in(anonymous).status_code == 401
    assert log_in(anonymous, password="another horse").status_code == 200


def test_a_new_password_needs_the_present_one(anonymous, alice):
    session = log_in(anonymous).json()
    answer = anonymous.post(
        f"{AUTH}change-password",
        {"current_password": "wrong", "new_password": "another horse"},
        HTTP_AUTHORIZATION=f"Bearer {session['access_token']}",
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert me(session["access_token"]).status_code == 200
    assert log_in(anonymous).status_code == 200


def test_guessing_the_present_password_is_limited(rate_limits, as_user, alice):
    body = {"current_password": "wrong", "new_password": "another horse"}
    client = as_user(alice)
    statuses = [client.post(f"{AUTH}change-password", body).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]


@pytest.mark.django_db(transaction=True)
def test_no_token_survives_a_password_changed_while_it_is_rotated():
    user = UserFactory()
    user.set_password(PASSWORD)
    user.save()
    for number in range(5):
        token = sessions._open(user).refresh_token
        found = []

        def rotate(token=token, found=found):
            try:
                found.append(sessions.refresh(token))
            except Exception as error:
                found.append(error)

        def change(number=number):
            sessions.change_password(
                user_id=user.pk,
                current=PASSWORD if not number else f"{PASSWORD}{number - 1}",
                new=f"{PASSWORD}{number}",
            )

        at_once(rotate, change)
        user.refresh_from_db()
        for session in found:
            if isinstance(session, sessions.Session):
                assert me(session.access_token).status_code == 401
                with pytest.raises(sessions.InvalidRefreshToken):
                    sessions.refresh(session.refresh_token)


def test_login_is_limited_per_address_and_account(rate_limits, anonymous, alice):
    answers = [log_in(anonymous, password="wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[0]["RateLimit-Limit"] == "10"
    assert answers[0]["RateLimit-Remaining"] == "9"
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["params"]["limit"] == 10
    assert refused.json()["params"]["retry_after"] == int(refused["Retry-After"]) >= 1
    # In another spelling it is the same account.
    assert log_in(anonymous, email="ALICE@example.com").status_code == 429
    assert log_in(anonymous, email="bob@example.com").status_code == 401
    elsewhere = {"email": "alice@example.com", "password": PASSWORD}
    assert anonymous.post(f"{AUTH}login", elsewhere, REMOTE_ADDR="10.1.1.1").status_code == 200


def test_one_address_cannot_try_many_accounts(rate_limits, settings, anonymous, alice):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_address": "5/minute"}
    answers = [log_in(anonymous, email=f"{n}@example.com") for n in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert [answer["RateLimit-Limit"] for answer in answers] == ["5"] * 6
    assert answers[1]["RateLimit-Remaining"] == "3", "of two limits the nearer one is told"
    assert log_in(anonymous).status_code == 429
    elsewhere = {"email": "alice@example.com", "password": PASSWORD}
    assert anonymous.post(f"{AUTH}login", elsewhere, REMOTE_ADDR="10.1.1.1").status_code == 200
    settings.RATE_LIMITS_ON = False
    assert log_in(anonymous).status_code == 200


def test_one_address_cannot_register_many(rate_limits, settings, anonymous):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"register": "3/minute"}

    def register(number, **more):
        body = {"name": "Ann", "email": f"ann{number}@example.com", "password": "12345678"}
        return anonymous.post(f"{AUTH}register", body, **more)

    assert [register(number).status_code for number in range(4)] == [201] * 3 + [429]
    assert User.objects.count() == 3
    assert register(4, REMOTE_ADDR="10.1.1.1").status_code == 201
    refused = register(5)
    assert refused.json()["code"] == "rate_limited"
    assert int(refused["Retry-After"]) >= 1
    # What else is behind the same door stays open.
    assert anonymous.post(f"{AUTH}refresh", {"refresh_token": "x"}).status_code == 401
    settings.RATE_LIMITS_ON = False
    assert register(6).status_code == 201
