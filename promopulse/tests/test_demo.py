"""The demo world: all of it there, once, and left as people change it."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from statistics import median

import pytest
from django.db.models import Count

from accounts.models import ApiKey, AuditEntry, Pool, User
from accounts.roles import Scope
from engagement import processing, pulse
from engagement.models import DeadLetterEvent, Event, IngestBatch, RetryEvent
from engagement.tests.factories import event
from promopulse.demo.builder import Builder
from promopulse.lib.invariants import violations
from promopulse.lib.time import db_now
from promopulse.management.commands.audit import INVARIANTS
from promopulse.tests.commands import run
from promotions import services as promotions
from promotions.coupons.models import Coupon, CouponBook
from promotions.discounts.models import Redemption, Reservation, Reversal
from promotions.models import Promotion
from promotions.states import EffectiveStatus, Status
from subscriptions import services as subscriptions
from subscriptions.models import Subscription

pytestmark = pytest.mark.django_db
CUSTOMERS = ("alice", "bob", "carol", "dave")
KEY = "pp_demo12345678_" + "d" * 43


@pytest.fixture(autouse=True)
def _wanted(monkeypatch):
    monkeypatch.setenv("DEMO", "1")
    monkeypatch.setenv("DEMO_API_KEY", KEY)


def everything():
    """Every row that a second run must not touch or double."""
    models = (
        *(User, Pool, Promotion, Subscription, Event, DeadLetterEvent, ApiKey, AuditEntry),
        *(CouponBook, Coupon),
        *(Redemption, Reservation, Reversal),
    )
    return {model: list(model.objects.order_by("pk").values()) for model in models}


def test_the_whole_world_is_built_once(anonymous):
    done = run("demo")
    assert done.code == 0
    made = done.data["made"]
    assert made["users"] == 67
    assert made["promotions"] == 9
    assert made["events"] > 3_000
    # Each redemption told its own.
    assert made["events"] + made["redemptions"] == Event.objects.count()
    assert made["subscriptions"] == Subscription.objects.count() > 100
    assert made["dead_letters"] == DeadLetterEvent.objects.count() == 45
    assert not RetryEvent.objects.exists()

    now = db_now()
    shown = {promotion.effective_status(now) for promotion in Promotion.objects.all()}
    assert shown == set(EffectiveStatus)
    for email, password, role in (
        ("admin@example.com", "admin123", "admin"),
        ("mia@example.com", "demo123", "marketer"),
        ("omar@example.com", "demo123", "ops"),
        *(
            (f"{name}@example.com", "demo123", "customer")
            for name in "alice bob carol dave".split()
        ),
    ):
        user = User.objects.by_email(email)
        assert user.role == role
        assert user.check_password(password)
    assert Pool.objects.get(name="Beta Testers").user_count == 12
    assert made["books"] == 2
    alice = User.objects.by_email("alice@example.com")
    summer = CouponBook.objects.get(name="Summer Sale 2026")
    assert summer.coupons.filter(assigned_to=alice, state="ASSIGNED").count() == 4
    assert (summer.max_assignments_per_user, summer.allow_multi_redemption) == (5, False)
    vip = CouponBook.objects.get(name="VIP Rewards")
    assert (vip.max_redemptions_per_user, vip.allow_multi_redemption) == (3, True)
    states = set(Coupon.objects.values_list("state", flat=True))
    assert states == {"UNASSIGNED", "ASSIGNED", "LOCKED", "REDEEMED"}
    groups = DeadLetterEvent.objects.values_list("cause").annotate(Count("id"))
    assert dict(groups) == {
        "promotion_not_active": 12,
        "promotion_expired": 25,
        "subscription_inactive": 8,
    }
    assert DeadLetterEvent.objects.values("fingerprint").distinct().count() == 3
    first, last = Event.objects.earliest("occurred_at"), Event.objects.latest("occurred_at")
    assert last.occurred_at - first.occurred_at > timedelta(days=28)
    assert last.occurred_at <= now

    anonymous.credentials(HTTP_AUTHORIZATION=f"Api-Key {KEY}")
    hello = event(event_id="hello-1", type="CLICK", **done.data["first_event"])
    assert anonymous.post("/api/v1/events/ingest", hello).status_code == 202
    assert ApiKey.objects.get().scopes == sorted(Scope.values)
    assert [one.words for one in INVARIANTS if violations(one)] == []


def test_campaigns_gave_what_the_world_says():
    assert run("demo").data["made"]["redemptions"] == Redemption.objects.count() == 22
    now = db_now()
    campaigns = Promotion.objects.filter(discount__isnull=False, budget__isnull=False)
    assert {campaign.effective_status(now) for campaign in campaigns} == set(EffectiveStatus)
    used = {
        campaign.source_id: campaign.budget.used / campaign.budget.total for campaign in campaigns
    }
    assert used["demo:delivery"] == Decimal("0.86")
    assert used["demo:flash"] == 1
    assert 0 < used["demo:kickoff"] < Decimal("0.05")
    last = Redemption.objects.filter(promotion__source_id="demo:flash").latest("pk")
    assert (last.amount, last.limited_by) == (10, "budget")
    (reversal,) = Reversal.objects.all()
    assert 0 < reversal.amount < reversal.redemption.amount
    (held,) = Reservation.objects.all()
    assert (held.state, held.user) == ("open", User.objects.by_email("alice@example.com"))
    assert [one.words for one in INVARIANTS if violations(one)] == []


def test_no_day_stands_out():
    run("demo")
    now = db_now()
    redemptions = pulse.redemptions(now, 30).redemptions
    assert all(redemptions)
    assert redemptions[-1] <= max(redemptions[:-1])
    days = Counter(at.date() for at in Event.objects.values_list("occurred_at", flat=True))
    assert days.pop(now.date()) <= max(days.values())
    assert max(days.values()) < 2 * median(days.values())


def test_letters_of_the_draft_are_counted_once_it_is_active():
    run("demo")
    before = Event.objects.count()
    draft = Promotion.objects.get(source_id="demo:winter")
    promotions.change_status(draft.pk, status=Status.ACTIVE)
    run("dlq_replay", "--promotion", draft.pk, "--yes")
    processing.drain()
    assert Event.objects.count() == before + 12
    assert not DeadLetterEvent.objects.filter(promotion_id=draft.pk, state="open").exists()


def test_again_changes_nothing():
    run("demo")
    before, batches = everything(), IngestBatch.objects.count()
    done = run("demo")
    assert set(done.data["made"].values()) == {0}
    assert everything() == before
    assert IngestBatch.objects.count() == batches


def test_what_people_changed_stays():
    run("demo")
    alice = User.objects.by_email("alice@example.com")
    alice.email, alice.name = "al@example.com", "Al"
    alice.save()
    kickoff = Promotion.objects.get(source_id="demo:kickoff")
    Promotion.objects.filter(pk=kickoff.pk).update(name="Mine", paused_at=db_now())
    Promotion.objects.get(source_id="demo:winter").delete()
    subscriptions.deactivate(Subscription.objects.get(user=alice, promotion=kickoff).pk)
    letters = DeadLetterEvent.objects.filter(cause="promotion_expired")
    letters.update(state=DeadLetterEvent.State.DISCARDED, closed_at=db_now())
    ApiKey.objects.update(revoked_at=db_now())

    done = run("demo")
    assert {name: count for name, count in done.data["made"].items() if count} == {"promotions": 1}
    assert done.data["first_event"] is None
    alice.refresh_from_db()
    assert (alice.name, alice.email) == ("Al", "al@example.com")
    assert not User.objects.by_email("alice@example.com")
    assert Promotion.objects.get(pk=kickoff.pk).name == "Mine"
    assert not Subscription.objects.get(user=alice, promotion=kickoff).is_active
    assert letters.filter(state=DeadLetterEvent.State.DISCARDED).count() == 25
    assert ApiKey.objects.get().revoked_at
    assert Promotion.objects.get(source_id="demo:winter").status == Status.DRAFT


def test_a_run_that_was_cut_short_is_finished_by_the_next(monkeypatch):
    def cut(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Builder, "_events", cut)
        done = run("demo")
        assert (done.code, done.words) == (1, "Interrupted.")
    assert not Event.objects.exists()
    assert run("demo").data["made"]["events"] > 3_000


def test_it_is_refused_where_nobody_asked_for_it(monkeypatch):
    monkeypatch.delenv("DEMO")
    done = run("demo")
    assert done.code == 4
    assert "known passwords" in done.words
    assert not User.objects.exists()


def test_a_dry_run_keeps_nothing():
    assert run("demo", "--dry-run").data["made"]["promotions"] == 9
    assert not User.objects.exists()
    assert not Event.objects.exists()


def test_a_key_that_is_none_is_said(monkeypatch):
    monkeypatch.setenv("DEMO_API_KEY", "secret")
    done = run("demo")
    assert done.code == 1
    assert done.words.startswith("DEMO_API_KEY: an API key looks like")
    assert "secret" not in done.words


def test_without_a_key_the_world_has_none(monkeypatch):
    monkeypatch.delenv("DEMO_API_KEY")
    assert run("demo", "--dry-run").data["made"]["api_keys"] == 0
