"""The export of a person: all that is held, masked but for who may see it, and in the trail."""

import json

import pytest
from django.apps import apps

from accounts.models import AuditEntry, User
from accounts.tests.factories import UserFactory
from promopulse import dossier
from promopulse.tests.test_erasure import EMAIL, NAME, PHONE, SOURCE_ID, World
from promotions.coupons.tests.factories import held
from promotions.discounts.tests.carts import grant
from promotions.discounts.tests.factories import CampaignFactory
from promotions.tests.admin_pages import logged_in

pytestmark = pytest.mark.django_db(transaction=True)

# What names a person and is not theirs: counts, and what they made rather than are.
NOT_THEIRS = {
    "accounts.AuditEntry",  # is there, by two names
    "accounts.Job",
    "accounts.IdempotencyRecord",
    "coupons.BookUser",
    "discounts.DailyUse",
    "engagement.EventStat",
    "engagement.IngestBatch",
    "engagement.PromotionUser",
    "engagement.ProcessedEvent",
}


def address(user):
    return f"/admin/accounts/user/{user.pk}/export/"


def exported(client, user, **form):
    answer = client.post(address(user), {"reason": "Their wish", **form})
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    text = b"".join(answer.streaming_content).decode()
    return text, json.loads(text)


def test_all_of_it_in_clear_for_who_may_see():
    world = World()
    client, admin = logged_in("admin")
    text, found = exported(client, world.canary)
    assert found["personal_data"] == "clear"
    assert found["left_out"] == []
    assert (found["user"]["email"], found["user"]["phone"]) == (EMAIL, PHONE)
    counts = {part.name: len(found[part.name]) for part in dossier.PARTS}
    changes = counts.pop("changes_of_them") + counts.pop("changes_by_them")
    assert changes > 3
    assert counts == {
        "pools": 1,
        "targeted_by": 0,
        "subscriptions": 2,
        "redemptions": 0,
        "reversals": 0,
        "reservations": 0,
        "coupons": 1,
        "coupon_uses": 1,
        "coupon_requests": 1,
        "events": 3,
        "events_being_retried": 1,
        "dead_letters": 2,
        "sessions": 1,
        "stored_answers": 1,
    }
    assert found["coupon_uses"][0]["metadata"]["contact"]["mail"] == EMAIL
    assert found["subscriptions"][0]["promotion_name"]
    assert text.count(SOURCE_ID) > 3
    assert world.canary.password not in text, "a secret is no data of theirs"
    entry = AuditEntry.objects.get(action="user.export")
    assert (entry.object_id, entry.actor_user, entry.reason) == (
        world.canary.pk,
        admin,
        "Their wish",
    )


def test_what_they_were_granted_is_in_it():
    user, campaign = UserFactory(), CampaignFactory()
    granted = grant(campaign, user, order_id="order-7")
    client, _ = logged_in("admin")
    _text, found = exported(client, user)
    (row,) = found["redemptions"]
    assert (row["id"], row["promotion_id"]) == (granted.pk, campaign.pk)
    assert (row["order_id"], row["amount"]) == ("order-7", str(granted.amount))


def test_masked_and_in_part_for_who_may_not():
    world = World()
    text, found = exported(logged_in("marketer")[0], world.canary)
    assert found["personal_data"] == "masked"
    for secret in (EMAIL, PHONE, EMAIL.split("@")[0]):
        assert secret not in text
    assert found["user"]["email"] == "z***y@a***.example"
    assert found["user"]["name"] == NAME, "as on their page"
    assert {"events", "dead_letters", "sessions", "changes_of_them"} <= set(found["left_out"])
    assert not set(found["left_out"]) & set(found)
    assert len(found["subscriptions"]) == 2


@pytest.mark.parametrize(("role", "told"), [("marketer", "masked"), ("ops", "masked"),
                                            ("admin", "clear")])  # fmt: skip
def test_codes_are_in_it_only_for_who_may_redeem_them(role, told):
    alice = UserFactory()
    coupon = held(alice)
    client, person = logged_in(role)
    User.objects.filter(pk=person.pk).update(may_reveal=True)
    text, found = exported(client, alice)
    assert (found["personal_data"], found["codes"]) == ("clear", told)
    assert (coupon.code in text) is (told == "clear")
    assert found["coupons"][0]["id"] == coupon.pk


@pytest.mark.parametrize(("reveals", "told"), [(True, "clear"), (False, "masked")])
def test_the_permission_to_see_is_the_persons_own(reveals, told):
    alice = UserFactory(email="alice@example.com")
    client, ops = logged_in("ops")
    User.objects.filter(pk=ops.pk).update(may_reveal=reveals)
    text, found = exported(client, alice)
    assert found["personal_data"] == told
    assert ("alice@example.com" in text) is reveals
    assert AuditEntry.objects.get().after["personal_data"] == told


def test_without_a_reason_nothing_is_told_and_nothing_noted():
    alice = UserFactory(email="alice@example.com")
    client, _ = logged_in("admin")
    assert address(alice) in client.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    refused = client.post(address(alice), {"reason": "  "})
    assert refused.context["form"].errors["reason"]
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "customer"])
def test_who_only_looks_exports_nobody(role):
    alice = UserFactory()
    client = logged_in(role)[0]
    for answer in (client.get(address(alice)), client.post(address(alice), {"reason": "x"})):
        assert answer.status_code == (403 if role == "viewer" else 302)
    assert not AuditEntry.objects.exists()


def test_no_table_that_names_a_person_is_forgotten():
    """Whoever adds one says whether its rows are theirs."""
    known = {part.rows(0).model._meta.label for part in dossier.PARTS} | NOT_THEIRS
    named = {
        model._meta.label
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.attname in ("user_id", "assigned_to_id", "actor_id", "actor_user_id", "client")
        and model._meta.app_label not in ("admin", "sessions")
    }
    assert named <= known
