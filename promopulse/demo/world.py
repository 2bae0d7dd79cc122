"""Who and what is in the demo world, as data. Days count from the day it is first built."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.roles import Role

# Everything carries this name in its source_id: found again whatever people change about it.
SOURCE = "demo"


@dataclass(frozen=True)
class Person:
    key: str
    name: str
    role: str = Role.CUSTOMER
    password: str = "demo123"

    @property
    def email(self) -> str:
        return f"{self.key}@example.com"


PEOPLE = (
    Person("admin", "Ada Admin", Role.ADMIN, "admin123"),
    Person("mia", "Mia Marketer", Role.MARKETER),
    Person("omar", "Omar Ops", Role.OPS),
    Person("alice", "Alice Ames"),
    Person("bob", "Bob Brandt"),
    Person("carol", "Carol Chen"),
    Person("dave", "Dave Diaz"),
)
# Customers the shop knows by a number only; they make the crowd.
GUESTS = tuple(f"guest-{number:02}" for number in range(1, 61))

POOL = "Beta Testers"
POOL_WORDS = "People who see promotions before everybody else."
POOL_MEMBERS = ("alice", "carol", *GUESTS[:10])


@dataclass(frozen=True)
class Campaign:
    """A promotion and how far it goes: `paused` and `ended` come after it was activated, and after
    the first `buyers` of its audience bought something with its discount."""

    key: str
    name: str
    description: str
    starts: int
    ends: int
    active: bool = True
    paused: str = ""
    ended: bool = False
    budget: Decimal | None = None
    pool: str = ""
    timezone: str = "UTC"
    events_a_day: int = 0
    discount: dict[str, Any] | None = None
    buyers: int = 0
    came_back: Decimal | None = None  # of what the first buyer was given
    at_checkout: str = ""  # who holds a discount and has not paid yet


CAMPAIGNS = (
    Campaign(
        "kickoff",
        "Summer Kick-off",
        "Ten percent off everything that floats, flies or folds.",
        starts=-30,
        ends=60,
        budget=Decimal(10_000),
        events_a_day=45,
        discount={
            "discount_type": "cart",
            "discount_percentage": Decimal(10),
            "min_cart_value": Decimal(30),
            "max_discount_amount": Decimal(15),
            "max_usage_per_customer_per_day": 2,
        },
        buyers=4,
        came_back=Decimal("2.50"),
        at_checkout="alice",
    ),
    Campaign(
        "delivery",
        "Free Delivery Weeks",
        "We carry it home for you.",
        starts=-30,
        ends=45,
        budget=Decimal(250),
        timezone="Europe/Berlin",
        events_a_day=30,
        discount={"discount_type": "delivery", "discount_flat": Decimal("21.50")},
        buyers=10,  # 86 % of the budget
    ),
    Campaign(
        "beta",
        "Beta Perks",
        "For our testers only.",
        starts=-21,
        ends=90,
        budget=Decimal(500),
        pool=POOL,
        events_a_day=10,
        discount={"discount_type": "cart", "discount_percentage": Decimal("12.5")},
        buyers=2,
    ),
    Campaign(
        "flash",
        "Flash Deal",
        "Whoever comes first: its budget is used up.",
        starts=-7,
        ends=14,
        budget=Decimal(60),
        events_a_day=20,
        discount={"discount_type": "cart", "discount_flat": Decimal(25)},
        buyers=3,  # the third is given the last 10
    ),
    Campaign(
        "preview",
        "Autumn Preview",
        "A first look at the new season.",
        starts=-14,
        ends=30,
        budget=Decimal(2_000),
        paused="Waiting for the new stock.",
        events_a_day=15,
        discount={"discount_type": "cart", "discount_percentage": Decimal(20)},
        buyers=1,
    ),
    Campaign(
        "warmup",
        "Spring Warm-up",
        "Its window has closed.",
        starts=-40,
        ends=-10,
        budget=Decimal(1_000),
        events_a_day=25,
        discount={"discount_type": "cart", "discount_percentage": Decimal(5)},
    ),
    Campaign(
        "hunt",
        "Easter Hunt",
        "Ended early: every egg was found.",
        starts=-35,
        ends=20,
        budget=Decimal(300),
        ended=True,
        events_a_day=20,
        discount={"discount_type": "cart", "discount_flat": Decimal(10)},
        buyers=2,
    ),
    Campaign(
        "friday",
        "Black Friday",
        "Doors open in a month.",
        starts=30,
        ends=34,
        budget=Decimal(20_000),
        discount={
            "discount_type": "cart",
            "discount_percentage": Decimal(30),
            "max_discount_amount": Decimal(100),
        },
    ),
    Campaign(
        "winter",
        "Winter Draft",
        "Should have begun last week.",
        starts=-7,
        ends=80,
        active=False,
        budget=Decimal(1_000),
        discount={
            "discount_type": "cart",
            "discount_flat": Decimal(15),
            "min_cart_value": Decimal(100),
        },
    ),
)

# What bringing a cart home costs in the demo's shop.
DELIVERY = Decimal("21.50")

# For so long they look before they buy.
LOOKED_FOR_DAYS = 3

# Events that cannot be counted, for the dead letters: each group shows one cause.
TO_A_DRAFT = 12  # to winter
TOO_LATE = 25  # to warmup, after its window
AFTER_LEAVING = 8  # dave to kickoff, after he had left it
LEAVER, LEFT_AFTER_DAYS = "dave", 20
