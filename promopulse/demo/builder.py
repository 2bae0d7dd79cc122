"""Making the demo world: what is missing is made, what is there stays as people left it."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import chain, islice
from operator import itemgetter
from typing import Any

import msgspec
from django.db import transaction

from accounts import keys
from accounts.models import ApiKey, Pool, User
from accounts.roles import Scope
from accounts.services.pools import create_pool
from accounts.services.users import create_user
from engagement import ingest
from engagement.importing import count_here, newest_batch, settled
from engagement.models import DeadLetterEvent, ProcessedEvent, RetryEvent
from promopulse.demo import coupons, story, world
from promopulse.demo.story import Setting
from promopulse.demo.world import Campaign, Person
from promopulse.lib.importing.reading import Row
from promopulse.lib.importing.reporting import Report
from promopulse.lib.time import db_now
from promotions import services as promotions
from promotions.discounts import services as discounts
from promotions.discounts.models import MAX_TTL
from promotions.models import Promotion
from promotions.states import Status
from subscriptions.importing import SubscriptionImporter
from subscriptions.models import Subscription

KEY_VARIABLE = "DEMO_API_KEY"
_EVENTS_A_BATCH = 1_000

_encode = msgspec.json.Encoder().encode_lines


class Builder:
    """One run over the demo world; `made` counts what was missing."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.users: dict[str, int] = {}
        self.settings: dict[str, Setting] = {}

    def build(self) -> None:
        """Raises ValueError for an API key in the environment that is none."""
        self._api_key()
        self.users = {person.key: self._person(person) for person in world.PEOPLE}
        self.users |= {key: self._guest(key) for key in world.GUESTS}
        pool_id = self._pool()
        for campaign in world.CAMPAIGNS:
            self.settings[campaign.key] = self._campaign(campaign, pool_id)
        self.made["books"] += coupons.build(self.users)
        self._opt_ins()
        self._events()

    def first_event(self) -> dict[str, int] | None:
        """Whose event is a good first one to send by hand."""
        pair = {
            "user_id": self.users["alice"],
            "promotion_id": self.settings["kickoff"].promotion_id,
        }
        found = Subscription.objects.filter(**pair, is_active=True).first()
        return {"subscription_id": found.pk} if found else None

    def _api_key(self) -> None:
        text = os.environ.get(KEY_VARIABLE)
        if not text:
            return
        match = keys.KEY.fullmatch(text)
        if match is None or not ApiKey.objects.filter(prefix=match[1]).exists():
            keys.create_key(name="demo", scopes=list(Scope.values), text=text)
            self.made["api_keys"] += 1

    def _person(self, person: Person) -> int:
        source_id = f"{world.SOURCE}:{person.key}"
        known = User.objects.filter(source_id=source_id).first() or User.objects.by_email(
            person.email
        )
        return self._made("users", known, lambda: create_user(
            name=person.name, email=person.email, role=person.role,
            password=person.password, source_id=source_id,
        ))  # fmt: skip

    def _guest(self, key: str) -> int:
        source_id = f"{world.SOURCE}:{key}"
        known = User.objects.filter(source_id=source_id).first()
        name = key.replace("-", " ").capitalize()
        return self._made("users", known, lambda: create_user(name=name, source_id=source_id))

    def _pool(self) -> int:
        known = Pool.objects.filter(name=world.POOL).first()
        members = [self.users[key] for key in world.POOL_MEMBERS]
        return self._made("pools", known, lambda: create_pool(
            name=world.POOL, description=world.POOL_WORDS, user_ids=members
        ))  # fmt: skip

    def _made(self, what: str, known: Any, make: Callable[[], Any]) -> int:
        """The id of what is there, or of what was made just now."""
        if known is None:
            known = make()
            self.made[what] += 1
        return int(known.pk)

    def _campaign(self, campaign: Campaign, pool_id: int) -> Setting:
        known = Promotion.objects.filter(source_id=f"{world.SOURCE}:{campaign.key}").first()
        promotion = known or self._run(campaign, pool_id)
        return Setting(
            campaign, promotion.pk, promotion.start_at, promotion.end_at, promotion.created_at
        )

    @transaction.atomic
    def _run(self, campaign: Campaign, pool_id: int) -> Promotion:
        """Make a promotion and take it as far as the world says, at once or not at all."""
        today = db_now().replace(hour=0, minute=0, second=0, microsecond=0)
        promotion = promotions.create_promotion(
            name=campaign.name,
            description=campaign.description,
            start_at=today + timedelta(days=campaign.starts),
            end_at=today + timedelta(days=campaign.ends),
            timezone=campaign.timezone,
            source_id=f"{world.SOURCE}:{campaign.key}",
            target_pool_ids=[pool_id] if campaign.pool else [],
        )
        if campaign.budget is not None:
            promotions.set_budget_total(promotion.pk, total=campaign.budget)
        if campaign.discount is not None:
            discounts.set_discount(promotion.pk, values=campaign.discount)
        if campaign.active:
            promotions.change_status(promotion.pk, status=Status.ACTIVE)
        self._purchases(campaign, promotion.pk)
        if campaign.paused:
            promotions.pause(promotion.pk, reason=campaign.paused)
        if campaign.ended:
            promotions.change_status(promotion.pk, status=Status.ENDED)
        self.made["promotions"] += 1
        return promotion

    def _purchases(self, campaign: Campaign, promotion_id: int) -> None:
        """What was given, what of it came back, and what is held at a checkout today."""

        def cart(buyer: str, cart_value: Decimal) -> dict[str, Any]:
            return {
                "promotion_id": promotion_id,
                "user_id": self.users[buyer],
                "cart_value": cart_value,
                "delivery_charge": world.DELIVERY,
            }

        given = [
            discounts.grant(**cart(bought.buyer, bought.cart_value), order_id=bought.order_id)
            for bought in story.purchases(campaign)
        ]
        self.made["redemptions"] += len(given)
        if campaign.came_back is not None:
            discounts.reverse(
                given[0].pk, amount=campaign.came_back, reason="One item was sent back."
            )
        if campaign.at_checkout:
            discounts.reserve(**cart(campaign.at_checkout, Decimal(80)), ttl_seconds=MAX_TTL)

    def _opt_ins(self) -> None:
        rows = chain.from_iterable(
            story.opt_ins(setting, self.users)
            for setting in self.settings.values()
            if setting.campaign.events_a_day
        )
        with transaction.atomic(), Report(("created", "unchanged")) as report:
            importer = SubscriptionImporter(report, source=None, renames={})
            importer.take([Row(number, row) for number, row in enumerate(rows, 1)])
            importer.finish()
        self.made["subscriptions"] += report.counts["created"]

    def _events(self) -> None:
        told = chain.from_iterable(
            story.events(setting, self.users) for setting in self.settings.values()
        )
        refused = story.refused_events(self.settings, self.users)
        batches = []
        # As they happened, so that lists tell the story backwards.
        for events in _unknown(sorted(chain(told, refused), key=itemgetter("occurred_at"))):
            outcome = ingest.ingest_body(_encode(events), ndjson=True)
            if outcome.batch_id is not None:
                batches.append(outcome.batch_id)
        count_here(newest_batch())  # also what a run that was cut off has left
        found = settled(batches)
        self.made["events"] += found["counted"]
        self.made["dead_letters"] += found["dead"]


def _unknown(events: Iterable[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    """Batches of those events that were never sent, or not all the way."""
    waiting = iter(events)
    while batch := list(islice(waiting, _EVENTS_A_BATCH)):
        ids = [event["event_id"] for event in batch]
        known: set[str] = set()
        for model in (ProcessedEvent, DeadLetterEvent, RetryEvent):
            known.update(
                model._default_manager.filter(event_id__in=ids).values_list("event_id", flat=True)
            )
        if fresh := [event for event in batch if event["event_id"] not in known]:
            yield fresh
