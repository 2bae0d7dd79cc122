"""What happens in the demo world: opt-ins and a month of events, the same in every world.

Pure, and a function of what is stored (a promotion's window and when it was made), so that a
second run tells the same story about the same promotions: every event is known by its id.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from promopulse.demo import world
from promopulse.demo.world import Campaign
from promopulse.lib.time import rfc3339

_DAY = timedelta(days=1)
_TYPES, _WEIGHTS = ("VIEW", "CLICK", "REDEEM"), (66, 24, 10)


@dataclass(frozen=True)
class Setting:
    """A campaign as it stands in the database."""

    campaign: Campaign
    promotion_id: int
    start_at: datetime
    end_at: datetime
    made_at: datetime

    @property
    def told_until(self) -> datetime:
        return min(self.end_at, self.made_at)


def opt_ins(setting: Setting, users: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Who subscribed when, in the columns of an import."""
    chance = random.Random(f"opt-ins {setting.campaign.key}")  # noqa: S311
    length = (setting.told_until - setting.start_at) / 2
    for key in _audience(setting.campaign):
        subscribed_at = setting.start_at + length * chance.random()
        row = {
            "user_id": users[key],
            "promotion_id": setting.promotion_id,
            "subscribed_at": rfc3339(subscribed_at),
        }
        if key == world.LEAVER and setting.campaign.key == "kickoff":
            row["deactivated_at"] = rfc3339(left_at(setting))
            yield row
        elif key == "alice" or chance.random() < 0.5:
            yield row


def left_at(setting: Setting) -> datetime:
    """When the one who leaves has left."""
    return setting.start_at + world.LEFT_AFTER_DAYS * _DAY


def events(setting: Setting, users: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Views, clicks and redemptions from the start until the world was made.

    Those of that day have what `purchases` say in the place of redemptions: no day stands out.
    """
    campaign = setting.campaign
    today = setting.made_at.replace(hour=0, minute=0, second=0, microsecond=0)
    chance = random.Random(f"events {campaign.key}")  # noqa: S311
    audience = [key for key in _audience(campaign) if key != world.LEAVER]
    number = 0
    for day in range(math.ceil((setting.told_until - setting.start_at) / _DAY)):
        # A week has a shape, and word gets around.
        busy = 1 + 0.35 * math.sin(2 * math.pi * day / 7) + day / 60
        for _ in range(round(campaign.events_a_day * busy * chance.uniform(0.8, 1.2))):
            number += 1
            kind = chance.choices(_TYPES, _WEIGHTS)[0]
            # The first of the list are the keenest.
            key = audience[int(len(audience) * chance.random() ** 1.6)]
            at = setting.start_at + day * _DAY + chance.random() * _DAY
            amount = f"{chance.lognormvariate(3.6, 0.5):.2f}"
            if at < setting.told_until and not (kind == "REDEEM" and at >= today):
                event = _event(setting, f"{number:04}", kind, users[key], at)
                yield event | ({"amount": amount} if kind == "REDEEM" else {})
    yield from _before_buying(setting, users)


def _before_buying(setting: Setting, users: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Who buys as the world is made has looked in the days before, and looked again."""
    chance = random.Random(f"looks {setting.campaign.key}")  # noqa: S311
    for number, purchase in enumerate(purchases(setting.campaign), 1):
        if purchase.buyer == world.LEAVER:
            continue
        views, clicks = chance.randint(2, 5), chance.randint(1, 2)
        for look, kind in enumerate(("VIEW",) * views + ("CLICK",) * clicks):
            at = setting.told_until - chance.random() * world.LOOKED_FOR_DAYS * _DAY
            name = f"look-{number:02}-{look}"
            yield _event(setting, name, kind, users[purchase.buyer], at)


@dataclass(frozen=True)
class Purchase:
    """A cart that somebody paid with a campaign's discount."""

    buyer: str
    order_id: str
    cart_value: Decimal


def purchases(campaign: Campaign) -> Iterator[Purchase]:
    """One by each of the first of a campaign's audience."""
    chance = random.Random(f"purchases {campaign.key}")  # noqa: S311
    for number, key in enumerate(_audience(campaign)[: campaign.buyers], 1):
        cart_value = Decimal(chance.randrange(4_000, 20_000)) / 100
        yield Purchase(key, f"demo-{campaign.key}-{number:02}", cart_value)


def refused_events(settings: dict[str, Setting], users: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Events that end as dead letters, in three groups.

    Those to the draft are within its window: once it is active, a replay counts them.
    """
    draft, late, left = settings["winter"], settings["warmup"], settings["kickoff"]
    hour = timedelta(hours=1)
    for number in range(world.TO_A_DRAFT):
        at = draft.made_at - (number + 1) * hour
        yield _event(draft, f"draft-{number}", "VIEW", users["bob"], at)
    for number in range(world.TOO_LATE):
        at = late.end_at + (number + 1) * hour
        yield _event(late, f"late-{number}", "CLICK", users[world.GUESTS[number]], at)
    for number in range(world.AFTER_LEAVING):
        at = left_at(left) + (number + 1) * hour
        yield _event(left, f"left-{number}", "VIEW", users[world.LEAVER], at)


def _audience(campaign: Campaign) -> tuple[str, ...]:
    if campaign.pool:
        return world.POOL_MEMBERS
    return ("alice", "bob", "carol", "dave", *world.GUESTS)


def _event(setting: Setting, name: str, kind: str, user_id: int, at: datetime) -> dict[str, Any]:
    return {
        "event_id": f"demo-{setting.campaign.key}-{name}",
        "type": kind,
        "user_id": user_id,
        "promotion_id": setting.promotion_id,
        "occurred_at": rfc3339(at.replace(microsecond=0)),
    }
