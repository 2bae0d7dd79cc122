"""What the HTTP contract says about who may do what, written down a second time by hand.

`WHO` is its section 3 in its own words. A new route is one line in `ROUTES`: method and path, the
row or rows of `WHO` it belongs to (together they allow what one of them allows), and what a good
call of it needs. Nothing here is taken from the code under test.
"""

import re
from dataclasses import dataclass
from typing import Any

CALLERS = ("anonymous", "customer", "marketer", "ops", "admin")
SCOPES = (
    "events:write events:bulk discounts:apply coupons:redeem refunds customers:write "
    "promotions:write read"
).split()

# Columns: the callers above, then the scopes that give it to an API key ("any": needs none).
WHO = {
    "the index": "yes | yes | yes | yes | yes | any",
    "register, login, refresh": "yes | yes | yes | yes | yes | any",
    "own profile, coupons, subscriptions, usage": " | own | own | own | own | ",
    "promotions, discounts: read": " | active and open to them | yes | yes | yes | read",
    "books, pools, budgets: read": " | | yes | yes | yes | read",
    "promotions, campaigns, discounts, budgets, books, pools: write": (
        " | | yes | | yes | promotions:write"
    ),
    "users and customers: create, list, find by e-mail": " | | yes | yes | yes | customers:write",
    "subscribe / deactivate": " | own | yes | yes | yes | customers:write",
    "subscriptions: read": " | own | yes | yes | yes | customers:write read",
    "ingest events": " | | | yes | yes | events:write",
    "events: read": " | | | yes | yes | read",
    "stats: read": " | | yes | yes | yes | read",
    "available / quote": " | own | yes | yes | yes | discounts:apply",
    "apply / reserve / capture / release": " | own | | | yes | discounts:apply",
    "redemptions, usage: read": " | own | yes | yes | yes | read",
    "reverse": " | | | yes | yes | refunds",
    "coupons: read": " | own | yes | yes | yes | read",
    "assign a coupon": " | | yes | | yes | coupons:redeem",
    "lock / unlock / redeem": " | own coupon | | | yes | coupons:redeem",
    "force-unlock": " | | | with a reason | yes | coupons:redeem",
    "dead letters": " | | | yes | yes | ",
    "audit": " | | | read audit | yes | ",
    "API keys, roles": " | | | | yes | ",
}
_OWN = {"own", "own coupon", "active and open to them"}


@dataclass(frozen=True)
class Route:
    """One method of one path. In path, query and body `{kind}` stands for a thing of the world.

    A thing may be the caller's own, another's or missing; `missing` is what a missing one answers.
    """

    call: str
    rows: tuple[str, ...]
    ok: int = 200
    body: dict[str, Any] | None = None
    query: str = ""
    missing: int = 404
    page: bool = True  # shown in a browser; a download is not

    @property
    def method(self) -> str:
        return self.call.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.call.partition(" ")[2]

    @property
    def names_a_thing(self) -> bool:
        return re.search(r"{\w+}", f"{self.path}{self.query}{self.body}") is not None

    def allowed(self, caller: str) -> str:
        """`yes`, `own` or nothing, for one of CALLERS or `key <scope>`."""
        found = {self._cell(row, caller) for row in self.rows}
        return "yes" if "yes" in found else "own" if "own" in found else ""

    @staticmethod
    def _cell(row: str, caller: str) -> str:
        cells = [cell.strip() for cell in WHO[row].split("|")]
        if caller.startswith("key "):
            scopes = cells[-1].split()
            return "yes" if "any" in scopes or caller.removeprefix("key ") in scopes else ""
        cell = cells[CALLERS.index(caller)]
        return "" if not cell else "own" if cell in _OWN else "yes"


_OPEN = ("register, login, refresh",)
_SELF = ("own profile, coupons, subscriptions, usage",)
_PEOPLE = ("users and customers: create, list, find by e-mail",)
_PROFILE = _SELF + _PEOPLE
_READ = ("promotions, discounts: read",)
_INSIDE = ("books, pools, budgets: read",)
_WRITE = ("promotions, campaigns, discounts, budgets, books, pools: write",)
_SUBSCRIBE = ("subscribe / deactivate",)
_SUBSCRIPTIONS = ("subscriptions: read",)
_EVENTS = ("events: read",)
_STATS = ("stats: read",)
_LETTERS = ("dead letters",)
_ADMIN = ("API keys, roles",)
_COUPONS = ("coupons: read",)
_ASSIGN = ("assign a coupon",)
_HANDLE = ("lock / unlock / redeem",)
_QUOTE = ("available / quote",)
_APPLY = ("apply / reserve / capture / release",)
_REDEMPTIONS = ("redemptions, usage: read",)

_WINDOW = {"start_at": "2026-06-01T00:00:00Z", "end_at": "2026-07-01T00:00:00Z"}
_CAMPAIGN = {
    "name": "N",
    "discount_type": "cart",
    "discount_percentage": "10",
    "start_date": "2026-06-01T00:00:00",
    "end_date": "2026-07-01T00:00:00",
    "total_budget": "100",
}
_CART = {"campaign_id": "{open}", "customer_id": "{user}", "cart_value": "100"}
_NEW_PASSWORD = {"current_password": "correct horse", "new_password": "another horse"}

ROUTES = [
    Route("GET ", ("the index",)),
    # accounts
    Route(
        "POST auth/register", _OPEN, 201, {"name": "N", "email": "n@b.co", "password": "12345678"}
    ),
    Route(
        "POST auth/login", _OPEN, 200, {"email": "other@example.com", "password": "correct horse"}
    ),
    Route("POST auth/refresh", _OPEN, 200, {"refresh_token": "{refresh}"}, missing=401),
    Route("POST auth/logout", _OPEN, 204, {"refresh_token": "{refresh}"}, missing=204),
    Route("GET auth/me", _SELF),
    Route("POST auth/change-password", _SELF, 200, _NEW_PASSWORD),
    Route("GET auth/admin/users", _ADMIN),
    Route("GET auth/api-keys", _ADMIN),
    Route("POST auth/api-keys", _ADMIN, 201, {"name": "K", "scopes": ["read"]}),
    Route("DELETE auth/api-keys/{key}", _ADMIN, 204),
    Route("GET users", _PEOPLE),
    Route("POST users", _PEOPLE, 201, {"name": "N", "email": "n@b.co"}),
    Route("GET users/{user}", _PROFILE),
    Route("PATCH users/{user}", _PROFILE, 200, {"phone": "+1 23"}),
    Route("GET users/search/by-email", _PEOPLE, query="email={email}"),
    Route("GET customers", _PEOPLE),
    Route("POST customers", _PEOPLE, 201, {"name": "N", "email": "n@b.co"}),
    Route("GET customers/{customer}", _PROFILE),
    Route("GET pools", _INSIDE),
    Route("POST pools", _WRITE, 201, {"name": "N"}),
    Route("GET pools/{pool}", _INSIDE),
    Route("PATCH pools/{pool}", _WRITE, 200, {"name": "N"}),
    Route("DELETE pools/{pool}", _WRITE, 204),
    Route("GET pools/{pool}/users", _INSIDE),
    Route("POST pools/{pool}/users", _WRITE, 200, {"user_ids": [1]}),
    Route("DELETE pools/{pool}/users", _WRITE, 200, {"user_ids": [1]}),
    Route("GET audit", ("audit",)),
    # promotions
    Route("GET promotions", _READ),
    Route("POST promotions", _WRITE, 201, {"name": "N", **_WINDOW}),
    Route("GET promotions/{promotion}", _READ),
    Route("PATCH promotions/{promotion}", _WRITE, 200, {"name": "N"}),
    Route("DELETE promotions/{draft}", _WRITE, 204),
    Route("POST promotions/{draft}/status", _WRITE, 200, {"status": "active"}),
    Route("PATCH promotions/{draft}/status", _WRITE, 200, {"status": "active"}),
    Route("POST promotions/{promotion}/pause", _WRITE, 200, {}),
    Route("POST promotions/{promotion}/resume", _WRITE, 200, {}),
    Route("POST promotions/{promotion}/duplicate", _WRITE, 201, {}),
    Route("GET promotions/{promotion}/history", _INSIDE),
    Route("GET promotions/{draft}/budget", _INSIDE),
    Route("PUT promotions/{draft}/budget", _WRITE, 200, {"total": "50"}),
    Route("POST promotions/{draft}/budget/top-up", _WRITE, 200, {"amount": "5"}),
    Route("GET promotions/{draft}/budget/entries", _INSIDE),
    # discounts
    Route("GET promotions/{promotion}/discount", _READ),
    Route(
        "PUT promotions/{draft}/discount",
        _WRITE,
        200,
        {"discount_type": "delivery", "discount_flat": "1"},
    ),
    Route("DELETE promotions/{draft}/discount", _WRITE, 204),
    Route("GET campaigns", _READ),
    Route("POST campaigns", _WRITE, 201, _CAMPAIGN),
    Route("GET campaigns/{promotion}", _READ),
    Route("PUT campaigns/{draft}", _WRITE, 200, _CAMPAIGN),
    Route("DELETE campaigns/{draft}", _WRITE, 204),
    Route("PATCH campaigns/{draft}/status", _WRITE, 200, {"status": "active"}),
    Route("POST discounts/available", _QUOTE, 200, {"customer_id": "{user}", "cart_value": "100"}),
    Route("POST discounts/apply", _APPLY, 201, _CART),
    Route("GET discounts/usage/{user}", _REDEMPTIONS, missing=200),
    Route("POST reservations", _APPLY, 201, _CART),
    Route("GET reservations/{reservation}", _APPLY + _REDEMPTIONS),
    Route("POST reservations/{reservation}/capture", _APPLY, 200, {}),
    Route("POST reservations/{reservation}/release", _APPLY, 200, {}),
    Route("GET redemptions", _REDEMPTIONS, query="customer_id={user}", missing=200),
    Route("GET redemptions/{redemption}", _REDEMPTIONS),
    Route("POST redemptions/{redemption}/reverse", ("reverse",), 201, {"amount": "1"}),
    # coupons
    Route("GET books", _INSIDE),
    Route("POST books", _WRITE, 201, {"name": "N"}),
    Route("GET books/{book}", _INSIDE),
    Route("PATCH books/{book}", _WRITE, 200, {"name": "N"}),
    Route("POST books/{book}/codes", _WRITE, 201, {"codes": ["GOLD-1"]}),
    Route("POST books/{book}/codes/upload", _WRITE, 422, {}),  # takes a form
    Route("POST books/{book}/codes/generate", _WRITE, 201, {"count": 2}),
    Route("GET books/{book}/codes/export", _INSIDE, page=False),
    Route("GET books/{book}/batches", _INSIDE),
    Route("GET books/{book}/batches/{batch}", _INSIDE),
    Route("POST books/{book}/batches/{batch}/cancel", _WRITE, 200, {}),
    Route("GET books/{book}/coupons", _INSIDE),
    Route("GET books/{book}/distributions", _INSIDE),
    Route("GET books/{book}/distributions/{distribution}", _INSIDE),
    Route("POST books/{book}/distributions/{distribution}/undo", _WRITE, 200, {}),
    Route(
        "POST pools/{crowd}/distribute",
        _WRITE,
        201,
        {"book_id": "{book}", "mode": "equal", "coupons_per_user": 1},
    ),
    Route("POST coupons/assign", _ASSIGN, 201, {"book_id": "{book}", "user_id": "{user}"}),
    Route("POST coupons/assign/{free}", _ASSIGN, 200, {"user_id": "{user}"}),
    Route("POST coupons/lock/{coupon}", _HANDLE, 200, {"user_id": "{user}"}),
    Route(
        "POST coupons/unlock/{locked}",
        (*_HANDLE, "force-unlock"),
        200,
        {"user_id": "{user}", "lock_token": "{token}", "reason": "The till crashed"},
    ),
    Route("POST coupons/redeem/{coupon}", _HANDLE, 201, {"user_id": "{user}"}),
    Route("POST coupons/redemptions/{use}/reverse", ("reverse",), 201, {}),
    Route("GET coupons/{coupon}", _COUPONS),
    Route("GET coupons/{coupon}/history", _COUPONS),
    Route("GET users/me/coupons", _SELF),
    Route("GET users/{user}/coupons", _COUPONS),
    # subscriptions
    Route("GET subscriptions", _SUBSCRIPTIONS, query="user_id={user}", missing=200),
    Route("POST subscriptions", _SUBSCRIBE, 201, {"user_id": "{user}", "promotion_id": "{open}"}),
    Route("PATCH subscriptions/{subscription}/deactivate", _SUBSCRIBE),
    Route("PATCH subscriptions/{subscription}/reactivate", _SUBSCRIBE),
    # engagement
    Route(
        "POST events/ingest",
        ("ingest events",),
        202,
        {"event_id": "of-the-table", "type": "VIEW", "user_id": 1, "promotion_id": 1},
    ),
    Route("GET events", _EVENTS),
    Route("GET events/{event}", _EVENTS),
    Route("GET stats", _STATS),
    Route("GET promotions/{promotion}/stats", _STATS),
    Route("GET dead-letters", _LETTERS),
    Route("GET dead-letters/groups", _LETTERS),
    Route("GET dead-letters/{letter}", _LETTERS),
    Route("POST dead-letters/replay", _LETTERS, 200, {"filter": {}}),
    Route("POST dead-letters/{letter}/replay", _LETTERS, 200, {}),
    Route("POST dead-letters/{letter}/discard", _LETTERS, 200, {"reason": "No use"}),
    Route("POST dead-letters/{letter}/restore", _LETTERS, 200, {}),
]
