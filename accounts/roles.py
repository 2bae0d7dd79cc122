"""Who may do what: the table of the HTTP contract, section 3, as data.

A view names its `Permission`; `RULES` says which roles have it, which have it for their own
things only, and which scope gives it to an API key. What is not written here is denied.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache

from django.db import models


class Role(models.TextChoices):
    CUSTOMER = "customer"
    VIEWER = "viewer"  # of the admin: reads everything, changes nothing
    MARKETER = "marketer"
    OPS = "ops"
    ADMIN = "admin"


# Seeing an e-mail address or a phone number in clear: given to people one by one.
REVEAL = "accounts.reveal_user"


class Scope(models.TextChoices):
    """What an API key may be given."""

    EVENTS_WRITE = "events:write"
    EVENTS_BULK = "events:bulk"
    DISCOUNTS_APPLY = "discounts:apply"
    COUPONS_REDEEM = "coupons:redeem"
    REFUNDS = "refunds"
    CUSTOMERS_WRITE = "customers:write"
    PROMOTIONS_WRITE = "promotions:write"
    READ = "read"


class Permission(Enum):
    OPEN = auto()
    SELF = auto()
    PROFILE = auto()
    PROMOTIONS_READ = auto()
    INTERNALS_READ = auto()
    PROMOTIONS_WRITE = auto()
    PEOPLE = auto()
    SUBSCRIBE = auto()
    SUBSCRIPTIONS_READ = auto()
    EVENTS_INGEST = auto()
    EVENTS_READ = auto()
    STATS_READ = auto()
    QUOTE = auto()
    APPLY = auto()
    RESERVATIONS_READ = auto()
    REDEMPTIONS_READ = auto()
    REVERSE = auto()
    COUPONS_READ = auto()
    ASSIGN = auto()
    HANDLE_COUPON = auto()
    UNLOCK = auto()
    DEAD_LETTERS = auto()
    AUDIT_READ = auto()
    ADMINISTER = auto()


class Reach(Enum):
    """How far a permission goes for somebody."""

    NONE = auto()
    OWN = auto()
    ALL = auto()


@dataclass(frozen=True)
class Rule:
    roles: frozenset[str] = field(default_factory=frozenset)
    own: frozenset[str] = field(default_factory=frozenset)
    scopes: frozenset[str] = field(default_factory=frozenset)
    anonymous: bool = False


def _rule(roles: str = "", *scopes: str, own: str = "") -> Rule:
    return Rule(frozenset(roles.split()), frozenset(own.split()), frozenset(scopes))


_EVERYONE = "customer viewer marketer ops admin"
RULES: dict[Permission, Rule] = {
    Permission.OPEN: Rule(frozenset(Role.values), anonymous=True),
    Permission.SELF: _rule(own=_EVERYONE),
    Permission.PROFILE: _rule("marketer ops admin", Scope.CUSTOMERS_WRITE, own="customer"),
    Permission.PROMOTIONS_READ: _rule("marketer ops admin", Scope.READ, own="customer"),
    Permission.INTERNALS_READ: _rule("marketer ops admin", Scope.READ),
    Permission.PROMOTIONS_WRITE: _rule("marketer admin", Scope.PROMOTIONS_WRITE),
    Permission.PEOPLE: _rule("marketer ops admin", Scope.CUSTOMERS_WRITE),
    Permission.SUBSCRIBE: _rule("marketer ops admin", Scope.CUSTOMERS_WRITE, own="customer"),
    Permission.SUBSCRIPTIONS_READ: _rule(
        "marketer ops admin", Scope.READ, Scope.CUSTOMERS_WRITE, own="customer"
    ),
    Permission.EVENTS_INGEST: _rule("ops admin", Scope.EVENTS_WRITE),
    Permission.EVENTS_READ: _rule("ops admin", Scope.READ),
    Permission.STATS_READ: _rule("marketer ops admin", Scope.READ),
    Permission.QUOTE: _rule("marketer ops admin", Scope.DISCOUNTS_APPLY, own="customer"),
    Permission.APPLY: _rule("admin", Scope.DISCOUNTS_APPLY, own="customer"),
    Permission.RESERVATIONS_READ: _rule(
        "marketer ops admin", Scope.READ, Scope.DISCOUNTS_APPLY, own="customer"
    ),
    Permission.REDEMPTIONS_READ: _rule("marketer ops admin", Scope.READ, own="customer"),
    Permission.REVERSE: _rule("ops admin", Scope.REFUNDS),
    Permission.COUPONS_READ: _rule("marketer ops admin", Scope.READ, own="customer"),
    Permission.ASSIGN: _rule("marketer admin", Scope.COUPONS_REDEEM),
    Permission.HANDLE_COUPON: _rule("admin", Scope.COUPONS_REDEEM, own="customer"),
    Permission.UNLOCK: _rule("ops admin", Scope.COUPONS_REDEEM, own="customer"),
    Permission.DEAD_LETTERS: _rule("ops admin"),
    Permission.AUDIT_READ: _rule("ops admin"),
    Permission.ADMINISTER: _rule("admin"),
}


def reach(permission: Permission, *, role: str | None, scopes: frozenset[str]) -> Reach:
    """How far `permission` goes for a role (people) or for scopes (services)."""
    rule = RULES[permission]
    if rule.anonymous or role in rule.roles or rule.scopes & scopes:
        return Reach.ALL
    return Reach.OWN if role in rule.own else Reach.NONE


_READ_BY_STAFF = (
    "promotions.promotion promotions.promotiontarget promotions.budget promotions.budgetentry "
    "discounts.discount discounts.reservation discounts.redemption discounts.reversal "
    "subscriptions.subscription engagement.eventstat accounts.pool accounts.poolmembership "
    "accounts.user accounts.job coupons.couponbook coupons.codebatch coupons.coupon "
    "coupons.distribution"
).split()
_READ_BY_OPS = (
    "accounts.auditentry engagement.event engagement.ingestbatch engagement.deadletterevent "
    "engagement.retryevent engagement.processedevent engagement.promotionuser "
    "engagement.consumption engagement.pruned"
).split()


def _admin(model: str, *verbs: str) -> set[str]:
    app, name = model.split(".")
    return {f"{app}.{verb}_{name}" for verb in verbs}


@cache
def admin_permissions(role: str) -> frozenset[str]:
    """Django admin permissions of a role below admin, in Django's `app.verb_model` words."""
    granted: set[str] = set()
    if role in (Role.MARKETER, Role.OPS, Role.VIEWER):
        granted.update(*(_admin(model, "view") for model in _READ_BY_STAFF))
    if role == Role.MARKETER:
        granted.update(
            *(
                _admin(model, "add", "change", "delete")
                for model in (
                    "promotions.promotion",
                    "promotions.promotiontarget",
                    "accounts.pool",
                    "accounts.poolmembership",
                )
            )
        )
        granted |= _admin("coupons.couponbook", "add", "change")
    if role in (Role.OPS, Role.VIEWER):
        granted.update(*(_admin(model, "view") for model in _READ_BY_OPS))
    if role == Role.OPS:
        granted |= _admin("engagement.deadletterevent", "change")
        granted |= _admin("engagement.eventstat", "change")
    return frozenset(granted)
