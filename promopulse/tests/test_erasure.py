"""A person is erased: no place knows them any more, and every count stands."""

import io
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from rest_framework.test import APIClient

from accounts.models import AuditEntry, IdempotencyRecord, PoolMembership, RefreshToken, User
from accounts.services import erasure as accounts_erasure
from accounts.services import sessions
from accounts.tests.factories import PoolFactory, UserFactory
from accounts.tokens import access_token
from engagement import erasure as events_erasure
from engagement import processing
from engagement.letters.replaying import replay
from engagement.letters.selection import Selection
from engagement.models import DeadLetterEvent, Event, EventStat, IngestBatch, RetryEvent
from engagement.processing import retries
from engagement.tests.factories import event, send, send_and_process
from promopulse.tests import places
from promopulse.tests.commands import run
from promotions.coupons.services.assigning import assign
from promotions.coupons.services.batches import generate
from promotions.coupons.services.redeeming import redeem
from promotions.coupons.tests.factories import BookFactory
from promotions.discounts.tests.carts import APPLY, REDEMPTIONS, RESERVATIONS, cart
from promotions.discounts.tests.factories import CampaignFactory
from promotions.models import Budget
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1"
NAME, EMAIL = "Zaphod Canary", "zaphod.canary@aviary-of-tests.example"
PHONE, SOURCE_ID = "+49 151 7766 5544", "shop:canary-4711"
PASSWORD = "correct horse"
TRACES = [trace.lower() for trace in (NAME, EMAIL, "aviary-of-tests", "7766 5544", SOURCE_ID)]
SAID = {"who": NAME, "contact": {"mail": EMAIL, "phone": PHONE}, "id": SOURCE_ID}


def known_in(text: str) -> bool:
    text = text.lower()
    return any(trace in text or trace.encode().hex() in text for trace in TRACES)


def answers() -> Iterator[tuple[str, str]]:
    for record in IdempotencyRecord.objects.all():
        yield f"answer to {record.client} {record.operation}", str(record.body)


def where() -> set[str]:
    """Every place that knows the canary, encrypted answers included."""
    found = {**dict(places.tables()), **dict(places.in_redis()), **dict(answers())}
    return {place for place, text in found.items() if known_in(text)}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with places.every_log_line() as stream:
        yield stream


class World:
    """The canary in every place there is, beside somebody else who must stay as they are."""

    def __init__(self) -> None:
        self.marketer = UserFactory.create(role="marketer")
        client = self.client(self.marketer)
        made = client.post(
            f"{API}/users",
            {"name": NAME, "email": EMAIL, "phone": PHONE, "source_id": SOURCE_ID},
            headers={"Idempotency-Key": "made"},
        )
        assert made.status_code == 201
        self.canary = User.objects.get(pk=made.json()["id"])
        self.canary.metadata = SAID
        self.canary.set_password(PASSWORD)
        self.canary.save()
        self.session = sessions.log_in(email=EMAIL, password=PASSWORD)
        self.pool = PoolFactory.create()
        body = {"emails": [EMAIL]}
        client.post(f"{API}/pools/{self.pool.pk}/users", body, headers={"Idempotency-Key": "pool"})
        start = datetime.now(UTC) - timedelta(days=100)
        self.promotion = ActivePromotionFactory.create(
            start_at=start, activated_at=start, end_at=datetime.now(UTC) + timedelta(days=30)
        )
        self.other = SubscriptionFactory.create(
            promotion=self.promotion, metadata={"kept": "as well"}
        )
        for whom, key in ((client, "for-them"), (self.client(self.canary), "by-them")):
            promotion = self.promotion if key == "by-them" else ActivePromotionFactory.create()
            joined = whom.post(
                f"{API}/subscriptions",
                {"user_id": self.canary.pk, "promotion_id": promotion.pk, "metadata": SAID},
                headers={"Idempotency-Key": key},
            )
            assert joined.status_code == 201
        self.subscription = Subscription.objects.get(user=self.canary, promotion=self.promotion)
        book = BookFactory.create()
        generate(book.pk, count=3)
        (coupon,) = assign(book.pk, user_id=self.canary.pk, source_id=SOURCE_ID)
        redeem(coupon.code, user_id=self.canary.pk, metadata=SAID)
        self.events()

    def client(self, user: User) -> APIClient:
        return APIClient(headers={"Authorization": f"Bearer {access_token(user)}"})

    def events(self) -> None:
        """Counted in two months, retried, dead, discarded, and still waiting."""
        draft = PromotionFactory.create().pk
        own = {"subscription_id": self.subscription.pk, "metadata": SAID}
        pair = {"user_id": self.canary.pk, "metadata": SAID}
        old = (datetime.now(UTC) - timedelta(days=60)).isoformat()
        send_and_process(
            event(**own),
            event(**own, occurred_at=old),
            event(subscription_id=self.subscription.pk, amount="12.50", type="REDEEM"),
            event(**pair, promotion_id=9_999_999),
            event(**pair, promotion_id=draft),
            event(**pair, promotion_id=draft),
            event(subscription_id=self.other.pk, metadata={"kept": True}),
        )
        letter = DeadLetterEvent.objects.order_by("id").first()
        assert letter is not None
        letter.state, letter.closed_at = "discarded", datetime.now(UTC)
        letter.save()
        send(
            event(**own, amount="7.25", type="REDEEM"),
            event(subscription_id=self.other.pk, metadata={"kept": "too"}),
        )


def audit() -> set[int]:
    return {row["violations"] for row in run("audit").data["invariants"]}


def test_nobody_knows_them_afterwards(log):
    world = World()
    known = where()
    assert {
        "public.accounts_user",
        "public.subscriptions_subscription",
        "public.coupons_couponredemption",
        "public.coupons_assignrequest",
        "public.engagement_event",
        "public.engagement_ingestbatch",
        "public.engagement_retryevent",
        "public.engagement_deadletterevent",
        f"answer to user:{world.marketer.pk} POST {API}/users",
        f"answer to user:{world.marketer.pk} POST {API}/subscriptions",
        f"answer to user:{world.canary.pk} POST {API}/subscriptions",
    } <= known, "else an empty result would prove nothing"
    assert audit() == {0}

    done = run("pii_erase", "--email", EMAIL.upper(), "--reason", "their wish", "--yes")

    assert done.code == 0, done.words
    assert where() == set()
    assert not known_in(log.getvalue())
    assert not known_in(str(done))
    assert audit() == {0}
    assert done.data == {
        "user_id": world.canary.pk,
        "erased": True,
        "fields": 5,
        "pools": 1,
        "refresh_tokens": 1,
        "answers": 3,
        "subscriptions": 2,
        "coupons": 2,
        "waiting": 1,
        "retrying": 1,
        "letters": 2,
        "events": 2,
    }


def test_ledgers_and_counts_stand():
    world = World()
    before = list(EventStat.objects.order_by("id").values_list("events", "new_users", "amount"))
    facts = set(Event.objects.values_list("event_id", "user_id", "amount"))
    run("pii_erase", world.canary.pk, "--yes")
    assert list(EventStat.objects.order_by("id").values_list("events", "new_users", "amount")) == (
        before
    )
    assert set(Event.objects.values_list("event_id", "user_id", "amount")) == facts
    processing.drain()
    assert Event.objects.filter(user_id=world.canary.pk).count() == 4
    assert not Event.objects.filter(user_id=world.canary.pk, metadata__isnull=False).exists()
    assert Event.objects.filter(amount="7.25").exists(), "what waited lost its metadata alone"
    kept = Event.objects.filter(user_id=world.other.user_id).values_list("metadata", flat=True)
    assert sorted(map(str, kept)) == ["{'kept': 'too'}", "{'kept': True}"]
    assert Subscription.objects.get(pk=world.other.pk).metadata == {"kept": "as well"}
    assert audit() == {0}


def test_what_they_were_granted_stays_to_the_cent_and_no_more_is_granted():
    customer, shop = UserFactory.create(), UserFactory.create(role="admin")
    client = APIClient(headers={"Authorization": f"Bearer {access_token(shop)}"})
    campaign = CampaignFactory.create(
        budget=100, discount={"discount_flat": 10, "max_usage_per_customer_per_day": 9}
    )
    asked = cart(campaign, customer)
    given = client.post(APPLY, asked | {"order_id": "o-1"}).json()
    held = client.post(RESERVATIONS, asked).json()
    assert run("pii_erase", customer.pk, "--yes").code == 0
    assert client.get(f"{REDEMPTIONS}/{given['id']}").json() == given
    for url in (APPLY, RESERVATIONS):
        refused = client.post(url, asked)
        assert (refused.status_code, refused.json()["detail"]) == (404, "User not found")
    assert client.post(f"{RESERVATIONS}/{held['id']}/capture").status_code == 200
    assert client.post(f"{REDEMPTIONS}/{given['id']}/reverse").status_code == 201
    budget = Budget.objects.get(promotion=campaign)
    assert (budget.reserved, budget.spent) == (0, 10)
    assert run("audit").data["violations"] == 0


def test_they_are_an_id_that_can_do_nothing():
    world = World()
    run("pii_erase", "--source-id", SOURCE_ID, "--yes")
    erased = User.objects.get(pk=world.canary.pk)
    assert (erased.name, erased.email, erased.phone, erased.source_id) == ("", None, None, None)
    assert (erased.metadata, erased.email_bidx, erased.last_login) == ({}, None, None)
    assert erased.erased_at
    assert not erased.is_active
    assert not erased.has_usable_password()
    login = {"email": EMAIL, "password": PASSWORD}
    assert APIClient().post(f"{API}/auth/login", login).status_code == 401
    old = APIClient(headers={"Authorization": f"Bearer {world.session.access_token}"})
    assert old.get(f"{API}/auth/me").status_code == 401
    token = {"refresh_token": world.session.refresh_token}
    assert APIClient().post(f"{API}/auth/refresh", token).status_code == 401
    assert not RefreshToken.objects.filter(user=erased).exists()
    assert not PoolMembership.objects.filter(user=erased).exists()
    world.pool.refresh_from_db()
    assert world.pool.user_count == 0


def test_it_is_audited_by_name_and_not_by_value():
    world = World()
    run("pii_erase", world.canary.pk, "--reason", "their wish", "--yes")
    entry = AuditEntry.objects.get(action="user.erase")
    assert entry.object_id == world.canary.pk
    assert set(entry.before) == {"name", "email", "phone", "source_id", "metadata"}
    assert set(entry.before.values()) == {"(hidden)"}
    assert (entry.via, entry.reason) == ("command", "their wish")


def test_a_repeat_of_the_request_that_made_them_does_not_make_them_again():
    world = World()
    run("pii_erase", world.canary.pk, "--yes")
    again = world.client(world.marketer).post(
        f"{API}/users",
        {"name": NAME, "email": EMAIL, "phone": PHONE, "source_id": SOURCE_ID},
        headers={"Idempotency-Key": "made"},
    )
    assert again.status_code == 404
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"
    assert "erased" in again.json()["detail"]
    assert User.objects.by_email(EMAIL) is None


def test_a_dry_run_counts_what_would_go_and_changes_nothing():
    world = World()
    known = where()
    dry = run("pii_erase", world.canary.pk, "--dry-run")
    assert where() == known
    assert not dry.data.pop("erased")
    done = run("pii_erase", world.canary.pk, "--yes")
    assert done.data.pop("erased")
    assert dry.data == done.data


def test_killed_in_the_middle_it_is_run_again_by_id(monkeypatch):
    world = World()

    def crash(_user_id):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(events_erasure, "erase_metadata", crash)
        with pytest.raises(RuntimeError):
            run("pii_erase", "--email", EMAIL, "--yes")
    assert "public.accounts_user" not in where()
    assert "public.engagement_event" in where()
    assert run("pii_erase", world.canary.pk, "--yes").code == 0
    assert where() == set()
    assert AuditEntry.objects.filter(action="user.erase").count() == 1
    third = run("pii_erase", world.canary.pk, "--yes")
    assert {third.data[name] for name in set(third.data) - {"user_id", "erased"}} == {0}


def test_a_crash_inside_the_persons_row_leaves_all_of_it(monkeypatch):
    world = World()
    known = where()

    def crash(*_args, **_kwargs):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(accounts_erasure, "_clear", crash)
        with pytest.raises(RuntimeError):
            accounts_erasure.erase_user(world.canary.pk)
    assert where() == known
    assert RefreshToken.objects.filter(user=world.canary).exists()


def test_it_wants_a_yes_and_one_who_exists():
    user = UserFactory()
    done = run("pii_erase", user.pk)
    assert done.code == 4
    assert "for ever" in done.words
    assert User.objects.get(pk=user.pk).email
    for who in (["--email", "nobody@example.com"], ["--source-id", "x"], [user.pk + 1]):
        done = run("pii_erase", *who, "--yes")
        assert (done.code, done.words) == (4, "User not found")


def test_facts_stay_and_only_their_metadata_may_go():
    subscription = SubscriptionFactory()
    send_and_process(event(subscription_id=subscription.pk, metadata={"x": 1}))
    events_erasure.erase_metadata(subscription.user_id + 1)
    assert Event.objects.get().metadata == {"x": 1}

    def refused(act):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            act()

    refused(lambda: Event.objects.update(metadata={"x": 2}))
    refused(lambda: Event.objects.update(metadata=None, amount=1))
    refused(Event.objects.all().delete)
    events_erasure.erase_metadata(subscription.user_id)
    assert Event.objects.get().metadata is None
    refused(lambda: Event.objects.update(amount=1))
    refused(lambda: Event.objects.update(metadata={"x": 1}))


# Events move while their person is erased.


def in_a_thread(act):
    def work():
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_until_blocked():
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    pytest.fail("nobody waits")


def held_at(monkeypatch, module, name):
    """Processing stops where it would call this function, with its transaction open."""
    there, go_on, real = threading.Event(), threading.Event(), getattr(module, name)

    def held(*arguments):
        there.set()
        assert go_on.wait(10)
        return real(*arguments)

    monkeypatch.setattr(module, name, held)
    return there, go_on


@pytest.mark.parametrize("place", ["inbox", "retry"])
def test_an_event_that_is_processed_meanwhile_is_not_missed(monkeypatch, place):
    user, promotion = UserFactory(), ActivePromotionFactory()
    if place == "inbox":
        send(event(user_id=user.pk, promotion_id=promotion.pk, metadata=SAID))
        there, go_on = held_at(monkeypatch, processing.work, "_finish")
    else:
        future = SubscriptionFactory(promotion=promotion).pk + 1
        send_and_process(event(user_id=user.pk, subscription_id=future, metadata=SAID))
        SubscriptionFactory(pk=future, user=user)
        RetryEvent.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
        there, go_on = held_at(monkeypatch, retries, "_settle")
    worker = in_a_thread(processing.drain)
    assert there.wait(10)
    eraser = in_a_thread(lambda: events_erasure.erase_metadata(user.pk))
    wait_until_blocked()
    go_on.set()
    worker.join()
    eraser.join()
    assert Event.objects.get(user_id=user.pk).metadata is None
    assert audit() == {0}


def test_a_letter_that_is_replayed_before_or_after_carries_nothing():
    user, draft = UserFactory(), PromotionFactory()
    send_and_process(*(event(user_id=user.pk, promotion_id=draft.pk, metadata=SAID) for _ in "ab"))
    first, second = DeadLetterEvent.objects.order_by("id")
    draft.status, draft.activated_at = "active", draft.start_at
    draft.save()
    replay(Selection(ids=(first.pk,)))
    assert "public.engagement_ingestbatch" in where()
    events_erasure.erase_metadata(user.pk)
    assert where() == set()
    replay(Selection(ids=(second.pk,)))
    IngestBatch.objects.update(leased_until=None)
    processing.drain()
    assert Event.objects.filter(user_id=user.pk, metadata__isnull=True).count() == 2
    assert set(DeadLetterEvent.objects.values_list("state", flat=True)) == {"resolved"}
    assert audit() == {0}
