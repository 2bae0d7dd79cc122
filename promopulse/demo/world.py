"""Who and what is in the demo world, as data. Days count from the day it is first built."""

from dataclasses import dataclass
from decimal import Decimal

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
    """A promotion and how far it goes: `paused` and `ended` come after it was activated."""

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


CAMPAIGNS = (
    Campaign(
        "kickoff",
        "Summer Kick-off",
        "Ten percent off everything that floats, flies or folds.",
        starts=-30,
        ends=60,
        events_a_day=45,
    ),
    Campaign(
        "delivery",
        "Free Delivery Weeks",
        "We carry it home for you.",
        starts=-30,
        ends=45,
        budget=Decimal(5_000),
        timezone="Europe/Berlin",
        events_a_day=30,
    ),
    Campaign(
        "beta",
        "Beta Perks",
        "For our testers only.",
        starts=-21,
        ends=90,
        pool=POOL,
        events_a_day=10,
    ),
    Campaign(
        "flash",
        "Flash Deal",
        "Whoever comes first. Its budget was never filled up.",
        starts=-7,
        ends=14,
        budget=Decimal(0),
        events_a_day=20,
    ),
    Campaign(
        "preview",
        "Autumn Preview",
        "A first look at the new season.",
        starts=-14,
        ends=30,
        paused="Waiting for the new stock.",
        events_a_day=15,
    ),
    Campaign(
        "warmup",
        "Spring Warm-up",
        "Its window has closed.",
        starts=-40,
        ends=-10,
        events_a_day=25,
    ),
    Campaign(
        "hunt",
        "Easter Hunt",
        "Ended early: every egg was found.",
        starts=-35,
        ends=20,
        ended=True,
        events_a_day=20,
    ),
    Campaign("friday", "Black Friday", "Doors open in a month.", starts=30, ends=34),
    Campaign(
        "winter",
        "Winter Draft",
        "Still being written.",
        starts=40,
        ends=80,
        active=False,
    ),
)

# Events that cannot be counted, for the dead letters: each group shows one cause.
TO_A_DRAFT = 12  # to winter
TOO_LATE = 25  # to warmup, after its window
AFTER_LEAVING = 8  # dave to kickoff, after he had left it
LEAVER, LEFT_AFTER_DAYS = "dave", 20
