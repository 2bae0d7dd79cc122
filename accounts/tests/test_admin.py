"""The admin: who gets in, what is masked, writes through services, search through indexes."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, keys
from accounts.errors import InvalidRefreshToken
from accounts.models import ApiKey, AuditEntry, IdempotencyRecord, Pool, RefreshToken, User
from accounts.services import sessions, users
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

ADMIN = "/admin/accounts/"
PASSWORD = "correct horse"


def browser(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin():
    return UserFactory(role="admin", name="Ada")


@pytest.fixture
def page_of(admin):
    client = browser(admin)

    def get(path, **query):
        answer = client.get(f"{ADMIN}{path}", query)
        assert answer.status_code == 200, answer
        return answer.content.decode()

    return get


def rows(page):
    return re.findall(r'name="_selected_action" value="(\d+)"', page) or re.findall(
        r"/(\d+)/change/", page
    )


@pytest.mark.parametrize(
    ("role", "gets_in"), [("admin", True), ("marketer", True), ("ops", True), ("customer", False)]
)
def test_staff_log_in_with_email_and_password(role, gets_in):
    user = users.create_user(name="A", email="a@example.com", role=role, password=PASSWORD)
    client = Client()
    form = {"username": "A@Example.com", "password": PASSWORD, "next": "/admin/"}
    answer = client.post("/admin/login/", form)
    assert answer.status_code == (302 if gets_in else 200)
    home = client.get("/admin/")
    assert home.status_code == (200 if gets_in else 302)
    wrong = Client().post("/admin/login/", form | {"password": "wrong"})
    assert wrong.status_code == 200
    user.refresh_from_db()
    assert (user.last_login is not None) == gets_in


def test_logging_in_is_limited(rate_limits):
    users.create_user(name="A", email="a@example.com", role="admin", password=PASSWORD)
    form = {"username": "a@example.com", "password": "wrong"}
    for _ in range(10):
        Client().post("/admin/login/", form)
    answer = Client().post("/admin/login/", form | {"password": PASSWORD})
    assert answer.status_code == 200
    assert "Over the limit of 10" in answer.content.decode()


def test_one_address_cannot_try_many_accounts_here_either(rate_limits, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login_address": "3/minute"}
    users.create_user(name="A", email="a@example.com", role="admin", password=PASSWORD)
    for number in range(3):
        Client().post("/admin/login/", {"username": f"{number}@example.com", "password": "wrong"})
    right = {"username": "a@example.com", "password": PASSWORD}
    answer = Client().post("/admin/login/", right)
    assert "Over the limit of 3" in answer.content.decode()
    assert Client(REMOTE_ADDR="10.0.0.9").post("/admin/login/", right).status_code == 302


@pytest.mark.parametrize(
    "path", ["user", "pool", "apikey", "auditentry", "idempotencyrecord", "refreshtoken"]
)
def test_lists_open_and_take_no_query_a_row(admin, path):
    client = browser(admin)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(f"{ADMIN}{path}/").status_code == 200
        return len(captured)

    def more():
        user = UserFactory()
        PoolMembershipFactory(user=user)
        sessions._open(user)
        keys.create_key(name="k", scopes=["read"])
        IdempotencyRecord.objects.create(
            client=f"user:{user.pk}", operation="POST /", key="k", request_hmac=b"", status=201,
            content_type="application/json", body="{}",
        )  # fmt: skip

    more()
    few = queries()
    for _ in range(5):
        more()
    assert queries() == few


def test_emails_are_masked_in_the_list(page_of):
    UserFactory(email="alice@example.com")
    page = page_of("user/")
    assert "a***e@e***.com" in page
    assert "alice@example.com" not in page


@pytest.mark.parametrize("role", ["marketer", "ops"])
def test_staff_see_masks_and_change_nothing(role):
    alice = UserFactory(email="alice@example.com", phone="+4915112345678")
    client = browser(UserFactory(role=role))
    page = client.get(f"{ADMIN}user/{alice.pk}/change/").content.decode()
    assert "a***e@e***.com" in page
    assert "***78" in page
    assert "alice@example.com" not in page
    assert "4915112345678" not in page
    assert client.post(f"{ADMIN}user/{alice.pk}/change/", {"name": "X"}).status_code == 403
    assert client.get(f"{ADMIN}user/add/").status_code == 403
    assert client.get(f"{ADMIN}apikey/").status_code == 403
    assert client.get(f"{ADMIN}refreshtoken/").status_code == 403


def form_of(**values):
    return {"name": "Alice", "email": "alice@example.com", "phone": "", "role": "customer",
            "source_id": "", "is_active": "on", "new_password": "", **values}  # fmt: skip


def test_a_user_is_made_and_changed_by_the_services(admin):
    client = browser(admin)
    answer = client.post(f"{ADMIN}user/add/", form_of(new_password=PASSWORD))
    assert answer.status_code == 302, answer.content.decode()
    alice = User.objects.by_email("ALICE@example.com")
    assert alice.check_password(PASSWORD)
    made = AuditEntry.objects.get(action="user.create")
    assert (made.actor_user_id, made.via) == (admin.pk, "admin")

    sessions._open(alice)
    form = form_of(email="al@example.com", phone="+1 23", new_password="another horse")
    assert client.post(f"{ADMIN}user/{alice.pk}/change/", form).status_code == 302
    alice.refresh_from_db()
    assert (alice.email, alice.phone) == ("al@example.com", "+1 23")
    assert alice.check_password("another horse")
    assert not RefreshToken.objects.filter(user=alice, revoked_at=None).exists()
    changed = AuditEntry.objects.get(action="user.update")
    assert set(changed.after) == {"email", "phone", "password"}


def test_the_password_stays_when_nothing_is_typed(admin):
    alice = users.create_user(name="A", email="alice@example.com", password=PASSWORD)
    browser(admin).post(f"{ADMIN}user/{alice.pk}/change/", form_of(name="New"))
    alice.refresh_from_db()
    assert alice.name == "New"
    assert alice.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"email": "TAKEN@example.com"}, "A user with this e-mail exists already."),
        ({"email": ""}, "A user needs an e-mail or a source_id."),
        ({"new_password": "short"}, "at least 8 characters"),
        ({"source_id": "s-1"}, "already exists"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(admin, values, words):
    UserFactory(email="taken@example.com", source_id="s-1")
    answer = browser(admin).post(f"{ADMIN}user/add/", form_of(**values))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert User.objects.count() == 2


def test_a_lost_race_is_a_message(admin, monkeypatch):
    """The form saw a free address; the service, later, does not."""
    UserFactory(email="alice@example.com")
    monkeypatch.setattr("accounts.forms.User.objects.by_email", lambda email: None)
    answer = browser(admin).post(f"{ADMIN}user/add/", form_of(), follow=True)
    assert answer.status_code == 200
    assert "A user with this e-mail exists already." in answer.content.decode()


def test_search_of_users_uses_indexes(admin, page_of):
    alice = UserFactory(name="Alice Adams", email="alice@example.com")
    UserFactory(name="Bob", email="bob@example.com")
    for words in ("ALICE@example.com", str(alice.pk), "alice a"):
        assert str(alice.pk) in rows(page_of("user/", q=words))
        assert len(set(rows(page_of("user/", q=words)))) == 1
    assert not rows(page_of("user/", q="lice"))
    with CaptureQueriesContext(connection) as captured:
        page_of("user/", q="Alice Adams")
    (search,) = [q["sql"] for q in captured if "ORDER BY" in q["sql"] and "UPPER" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute(f"EXPLAIN {search}")
        assert "accounts_user_name_trgm" in str(cursor.fetchall())


def test_encrypted_columns_are_no_order(page_of):
    assert set(re.findall(r"\?o=-?(\d+)", page_of("user/"))) == {"0"}, "by id only"


def test_an_erased_user_is_only_read(admin):
    erased = UserFactory(
        name="", email=None, is_active=False, erased_at=timezone.now() - timedelta(days=1)
    )
    answer = browser(admin).post(f"{ADMIN}user/{erased.pk}/change/", form_of())
    assert answer.status_code == 403
    erased.refresh_from_db()
    assert erased.email is None


def membership_forms(*new_users, initial=(), delete=()):
    form = {
        "memberships-TOTAL_FORMS": len(initial) + len(new_users),
        "memberships-INITIAL_FORMS": len(initial),
    }
    for number, membership in enumerate(initial):
        form[f"memberships-{number}-id"] = membership.pk
        form[f"memberships-{number}-pool"] = membership.pool_id
        form[f"memberships-{number}-user"] = membership.user_id
        if membership in delete:
            form[f"memberships-{number}-DELETE"] = "on"
    for number, user in enumerate(new_users, start=len(initial)):
        form[f"memberships-{number}-user"] = user.pk
    return form


def test_pools_by_the_services(admin):
    alice, bob = UserFactory(), UserFactory()
    client = browser(UserFactory(role="marketer"))
    form = {"name": "Beta", "description": ""} | membership_forms(alice)
    assert client.post(f"{ADMIN}pool/add/", form).status_code == 302
    pool = Pool.objects.get()
    assert (pool.user_count, pool.memberships.get().user) == (1, alice)
    first = pool.memberships.get()
    form = {"name": "Gamma", "description": "x"} | membership_forms(
        bob, initial=[first], delete=[first]
    )
    assert client.post(f"{ADMIN}pool/{pool.pk}/change/", form).status_code == 302
    pool.refresh_from_db()
    assert (pool.name, pool.user_count, pool.memberships.get().user) == ("Gamma", 1, bob)
    actions = set(AuditEntry.objects.filter(via="admin").values_list("action", flat=True))
    assert actions == {"pool.create", "pool.update", "pool.add_users", "pool.remove_users"}


def test_a_pool_page_shows_a_page_of_its_users(page_of):
    pool = PoolFactory(name="Beta Testers")
    PoolMembershipFactory.create_batch(15, pool=pool)
    page = page_of(f"pool/{pool.pk}/change/")
    assert len(re.findall(r'name="memberships-\d+-id"', page)) == 12
    assert rows(page_of("pool/", q="Beta T"))
    assert not rows(page_of("pool/", q="Testers"))


def test_a_member_is_found_by_typing(admin):
    alice = UserFactory(name="Alice", email="alice@example.com")
    answer = browser(admin).get(
        "/admin/autocomplete/",
        {
            "app_label": "accounts",
            "model_name": "poolmembership",
            "field_name": "user",
            "term": "Al",
        },
    )
    (found,) = answer.json()["results"]
    assert found["id"] == str(alice.pk)
    assert found["text"] == f"Alice, a***e@e***.com, user {alice.pk}"


def test_a_key_is_shown_once_and_revoked(admin, page_of):
    client = browser(admin)
    answer = client.post(
        f"{ADMIN}apikey/add/", {"name": "Shop", "scopes": ["read", "refunds"]}, follow=True
    )
    (text,) = re.findall(r"pp_\w{12}_\w{43}", answer.content.decode())
    key = ApiKey.objects.get()
    assert keys.find_live(text) == keys.LiveKey(key.pk, "Shop", frozenset({"read", "refunds"}))
    assert text not in page_of("apikey/")
    assert "Shop" in page_of(f"apikey/{key.pk}/change/")
    form = {"action": "revoke", "_selected_action": [key.pk]}
    assert client.post(f"{ADMIN}apikey/", form).status_code == 302
    assert keys.find_live(text) is None
    assert AuditEntry.objects.filter(action="api_key.revoke", via="admin").exists()
    assert client.post(f"{ADMIN}apikey/", form, follow=True).status_code == 200


def test_the_trail_is_found_by_whole_words(admin, page_of):
    pool = PoolFactory()
    entry = audit.record("pool.update", pool)
    browser(admin).post(f"{ADMIN}apikey/add/", {"name": "k", "scopes": ["read"]})
    mine = AuditEntry.objects.get(action="api_key.create")
    for words in (f"pool:{pool.pk}", "pool.update", "test"):
        assert set(rows(page_of("auditentry/", q=words))) == {str(entry.pk)}
    assert set(rows(page_of("auditentry/", q=f"by user:{admin.pk}"))) == {str(mine.pk)}
    assert not rows(page_of("auditentry/", q="pool"))
    assert "pool.update" in page_of(f"auditentry/{entry.pk}/change/")


def test_trails_show_no_secret_and_take_no_edit(admin, page_of):
    session = sessions._open(admin)
    token = RefreshToken.objects.get()
    record = IdempotencyRecord.objects.create(
        client="user:7", operation="POST /", key="k", request_hmac=b"\x01" * 32, status=201,
        content_type="application/json", body='{"secret": 1}',
    )  # fmt: skip
    pages = [page_of(f"refreshtoken/{token.pk}/change/"), page_of("refreshtoken/", q=admin.pk)]
    pages += [page_of(f"idempotencyrecord/{record.pk}/change/")]
    assert all("token_hash" not in page and session.refresh_token not in page for page in pages)
    assert all("secret" not in page and "request_hmac" not in page for page in pages)
    assert rows(page_of("idempotencyrecord/", q="user:7"))
    assert not rows(page_of("idempotencyrecord/", q="user:8"))
    client = browser(admin)
    for path in (f"refreshtoken/{token.pk}", f"idempotencyrecord/{record.pk}"):
        assert client.post(f"{ADMIN}{path}/change/", {"key": "x"}).status_code == 403
        assert client.post(f"{ADMIN}{path}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    "lookup",
    ["password__startswith", "email_bidx", "metadata__icontains", "refresh_tokens__id", "name__gt"],
)
def test_a_list_is_filtered_by_what_it_offers_only(lookup):
    """A password's hash could be guessed letter by letter."""
    client = browser(UserFactory(role="marketer"))
    assert client.get(f"{ADMIN}user/", {lookup: "a"}).status_code == 400
    assert client.get(f"{ADMIN}user/", {"role__exact": "admin"}).status_code == 200


def test_a_password_changed_in_the_admin_ends_the_sessions_elsewhere(as_user):
    user = users.create_user(name="A", email="a@example.com", role="ops", password=PASSWORD)
    elsewhere = sessions.log_in(email="a@example.com", password=PASSWORD)
    token, client = as_user(user), browser(user)
    form = {
        "old_password": PASSWORD,
        "new_password1": "another one",
        "new_password2": "another one",
    }
    long = "x" * 129
    refused = client.post(
        "/admin/password_change/", form | {"new_password1": long, "new_password2": long}
    )
    assert refused.status_code == 200
    assert client.post("/admin/password_change/", form).status_code == 302
    assert token.get("/api/v1/auth/me").status_code == 401
    with pytest.raises(InvalidRefreshToken):
        sessions.refresh(elsewhere.refresh_token)
    assert AuditEntry.objects.get(action="user.update").actor_user == user
    assert client.get("/admin/").status_code == 200
    sessions.log_in(email="a@example.com", password="another one")


@pytest.mark.parametrize("sent", ["abc", "9" * 30, "\0", "-1"])
def test_a_member_that_is_no_id_is_an_error_of_the_form(admin, sent):
    form = {
        "name": "Beta",
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 0,
        "memberships-0-user": sent,
    }
    answer = browser(admin).post(f"{ADMIN}pool/add/", form)
    assert (answer.status_code, Pool.objects.count()) == (200, 0)


@pytest.mark.parametrize(("phone", "fits"), [("+49 151 1", True), ("x", False), ("1" * 33, False)])
def test_a_phone_is_one_in_the_admin_too(admin, phone, fits):
    form = {"name": "A", "email": "a@example.com", "role": "customer", "phone": phone}
    answer = browser(admin).post(f"{ADMIN}user/add/", form)
    assert answer.status_code == (302 if fits else 200)


def test_there_are_no_groups(admin):
    assert browser(admin).get("/admin/auth/group/").status_code == 404
