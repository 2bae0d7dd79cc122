"""The page of a person: masked for everybody, shown for a reason, viewers only look."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.services import users
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"


def browser(role, **more):
    client = Client()
    client.user = UserFactory(role=role, **more)
    client.force_login(client.user)
    return client


@pytest.fixture
def alice():
    return UserFactory(name="Alice", email="alice@example.com", phone="+49 151 2345678")


def page(client, user, **query):
    return client.get(f"{USERS}{user.pk}/change/", query).content.decode()


def test_everybody_sees_masks_admins_too(alice):
    for role in ("viewer", "marketer", "ops", "admin"):
        client = browser(role)
        for query in ({}, {"tab": "subscriptions"}, {"tab": "events"}):
            found = page(client, alice, **query)
            assert "alice@example.com" not in found
            assert "2345678" not in found
        assert "a***e@e***.com" in page(client, alice)
        assert "alice@example.com" not in client.get(USERS).content.decode()


def test_it_is_revealed_for_a_reason_once_and_leaves_a_trace(alice):
    client = browser("ops", may_reveal=True)
    address = f"{USERS}{alice.pk}/reveal/"
    assert address in page(client, alice)
    asked = client.get(address)
    assert "alice@example.com" not in asked.content.decode()
    for reason in ("", "  "):
        refused = client.post(address, {"reason": reason})
        assert refused.context["form"].errors["reason"]
        assert "alice@example.com" not in refused.content.decode()
    assert not AuditEntry.objects.exists()
    shown = client.post(address, {"reason": "She called about her order"})
    assert "alice@example.com" in shown.content.decode()
    assert "+49 151 2345678" in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id, entry.actor_user) == (
        "user.reveal",
        alice.pk,
        client.user,
    )
    assert entry.reason == "She called about her order"
    assert "alice@example.com" not in str(entry.__dict__)
    assert "alice@example.com" not in client.get(address).content.decode(), "hidden again"


@pytest.mark.parametrize("role", ["viewer", "marketer", "ops"])
def test_who_may_not_reveal_is_refused_also_when_forged(alice, role):
    client = browser(role)
    address = f"{USERS}{alice.pk}/reveal/"
    assert address not in page(client, alice)
    assert client.get(address).status_code == 403
    refused = client.post(address, {"reason": "Curious"})
    assert refused.status_code == 403
    assert "alice@example.com" not in refused.content.decode()
    assert not AuditEntry.objects.exists()


def test_a_customer_with_the_permission_gets_nowhere(alice):
    client = browser("customer", may_reveal=True)
    assert client.post(f"{USERS}{alice.pk}/reveal/", {"reason": "x"}).status_code == 302
    assert not AuditEntry.objects.exists()


def test_nothing_is_revealed_of_the_erased():
    client = browser("admin")
    gone = UserFactory(name="", email=None, is_active=False, erased_at=timezone.now())
    assert client.get(f"{USERS}{gone.pk}/reveal/").status_code == 404


def form(**values):
    return {"name": "Alice", "email": "", "phone": "", "role": "customer", "source_id": "",
            "is_active": "on", "new_password": "", **values}  # fmt: skip


def test_what_is_left_empty_stays_as_it_is(alice):
    client = browser("admin")
    address = f"{USERS}{alice.pk}/change/"
    assert client.post(address, form(name="Alicia")).status_code == 302
    alice.refresh_from_db()
    assert (alice.name, alice.email, alice.phone) == (
        "Alicia",
        "alice@example.com",
        "+49 151 2345678",
    )
    assert set(AuditEntry.objects.get().after) == {"name"}
    client.post(address, form(name="Alicia", email="al@example.com"))
    alice.refresh_from_db()
    assert (alice.email, alice.phone) == ("al@example.com", "+49 151 2345678")
    nobody = UserFactory(email=None, source_id="s-1", name="N")
    client.post(f"{USERS}{nobody.pk}/change/", form(name="M", source_id="s-1"))
    nobody.refresh_from_db()
    assert (nobody.name, nobody.email, nobody.phone) == ("M", None, None)


def test_the_permission_to_reveal_is_the_admins_to_give(alice):
    omar = UserFactory(role="ops", name="Omar")
    given = form(name="Omar", role="ops", may_reveal="on")
    browser("admin").post(f"{USERS}{omar.pk}/change/", given)
    assert User.objects.get(pk=omar.pk).may_reveal
    assert AuditEntry.objects.get().after == {"may_reveal": True}
    marketer = browser("marketer")
    assert marketer.post(f"{USERS}{marketer.user.pk}/change/", given).status_code == 403
    caller = users.Caller(role="ops", user_id=omar.pk)
    with pytest.raises(users.PermissionDenied):
        users.update_user(omar.pk, by=caller, may_reveal=True)


def test_an_admin_erases_a_person_from_a_plan(alice):
    client = browser("admin")
    address = f"{USERS}{alice.pk}/erase/"
    assert address in page(client, alice)
    plan = client.get(address).context["plan"]
    assert plan.count == 1
    assert client.post(address, {"plan": plan.hash}).context["form"].errors["reason"]
    stale = client.post(address, {"plan": "x", "reason": "Asked for it"})
    assert str(next(iter(get_messages(stale.wsgi_request)))).startswith("The plan changed")
    assert User.objects.get(pk=alice.pk).email == "alice@example.com"
    assert client.post(address, {"plan": plan.hash, "reason": "Asked for it"}).status_code == 302
    gone = User.objects.get(pk=alice.pk)
    assert (gone.email, gone.phone, gone.name) == (None, None, "")
    assert client.get(address).context["plan"].count == 0
    assert AuditEntry.objects.filter(action="user.erase", reason="Asked for it").exists()


def test_only_admins_erase_and_never_themselves(alice):
    for role in ("viewer", "marketer", "ops"):
        client = browser(role)
        address = f"{USERS}{alice.pk}/erase/"
        assert address not in page(client, alice)
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": "x", "plan": "x"}).status_code == 403
    client = browser("admin")
    own = f"{USERS}{client.user.pk}/erase/"
    assert own not in page(client, client.user)
    client.post(own, {"reason": "x", "plan": client.get(own).context["plan"].hash})
    assert User.objects.get(pk=client.user.pk).erased_at is None


def test_a_viewer_reads_every_list_and_changes_nothing(alice):
    client = browser("viewer")
    for path in ("user", "pool", "job", "auditentry"):
        assert client.get(f"/admin/accounts/{path}/").status_code == 200
    assert client.get("/admin/accounts/apikey/").status_code == 403
    assert client.post(f"{USERS}{alice.pk}/change/", form(name="Forged")).status_code == 403
    assert client.post("/admin/accounts/pool/add/", {"name": "Forged"}).status_code == 403
    alice.refresh_from_db()
    assert alice.name == "Alice"
    assert not AuditEntry.objects.exists()
