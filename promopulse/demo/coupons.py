"""The books of the demo world: their codes are the same in every world, who holds them too."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from promotions.coupons.codes import DEFAULT_CHARSET
from promotions.coupons.models import CouponBook
from promotions.coupons.services import assigning, holding, redeeming, uploading
from promotions.coupons.services.books import create_book


@dataclass(frozen=True)
class Book:
    """A book, and how many of its first codes each person holds, in order."""

    name: str
    description: str
    prefix: str
    codes: int
    rules: Mapping[str, Any]
    uses: int = 1
    holders: Mapping[str, int] = field(default_factory=dict)
    locked: Iterable[str] = ()  # who holds one of theirs at a checkout
    used: Iterable[str] = ()  # who has used one of theirs once


BOOKS = (
    Book(
        "Summer Sale 2026",
        "One use each, at most five a person.",
        "SUMMER-",
        200,
        {"max_assignments_per_user": 5, "code_pattern": "SUMMER-{}"},
        holders={"alice": 4, "bob": 2, "carol": 1},
        locked=("bob",),
        used=("carol",),
    ),
    Book(
        "VIP Rewards",
        "Three uses a person, over all codes.",
        "VIP-",
        50,
        {
            "allow_multi_redemption": True,
            "max_redemptions_per_user": 3,
            "code_pattern": "VIP-{}",
        },
        uses=5,
        holders={"alice": 1, "dave": 1},
        used=("dave",),
    ),
)


def build(users: Mapping[str, int]) -> int:
    """Make the books that are missing; gives how many were."""
    missing = [book for book in BOOKS if not CouponBook.objects.filter(name=book.name).exists()]
    for book in missing:
        _make(book, users)
    return len(missing)


@transaction.atomic
def _make(book: Book, users: Mapping[str, int]) -> None:
    row = create_book(name=book.name, description=book.description, **book.rules)
    brought = uploading.upload(
        row.pk, _codes(book), on_duplicate=uploading.SKIP, max_redemptions=book.uses
    )
    free = iter([one.code for one in brought.verdicts if one.verdict == uploading.CREATED])
    for key, count in book.holders.items():
        codes = [next(free) for _ in range(count)]
        for code in codes:
            assigning.assign_code(code, user_id=users[key])
        if key in book.locked:
            holding.lock(codes[0], user_id=users[key], seconds=3_600)
        if key in book.used:
            redeeming.redeem(codes[-1], user_id=users[key])


def _codes(book: Book) -> list[str]:
    chance = random.Random(f"codes {book.name}")  # noqa: S311
    found: dict[str, None] = {}
    while len(found) < book.codes:
        found[book.prefix + "".join(chance.choices(DEFAULT_CHARSET, k=6))] = None
    return list(found)
