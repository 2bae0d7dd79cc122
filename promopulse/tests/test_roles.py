"""Every route x method x caller x {own, other, missing} answers as the contract's table says."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from accounts.api.permissions import permission_for
from accounts.keys import create_key
from accounts.models import User
from accounts.services import sessions
from accounts.services.pools import add_users
from accounts.tests.factories import PoolFactory, UserFactory
from accounts.tokens import access_token
from engagement.models import DeadLetterEvent
from engagement.tests.factories import event, send_and_process
from promopulse.tests.role_table import CALLERS, ROUTES, SCOPES, WHO, Route
from promotions.coupons.services.distributing import distribute
from promotions.coupons.services.holding import lock
from promotions.coupons.services.redeeming import redeem
from promotions.coupons.tests.factories import BookFactory, held, made
from promotions.discounts import services as discounts
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

PREFIX = "api/v1/"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
EVERYBODY = [*CALLERS, *(f"key {scope}" for scope in SCOPES)]
NOBODYS_ID = 987_654_321
PASSWORD = "correct horse"
CODES = ("free", "coupon", "locked")


def patterns(found: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in found:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path, pattern.callback


def api() -> dict[tuple[str, str], Any]:
    """(method, path with its parameters blanked) -> view, of every route there is."""
    served = {}
    for path, view in patterns(get_resolver().url_patterns):
        if f"{path}/".startswith(PREFIX):
            shape = re.sub(r"<[^>]+>", "{}", f"{path}/".removeprefix(PREFIX)[:-1])
            for method in methods_of(view, shape):
                served[method, shape] = view
    return served


def methods_of(view: Any, shape: str) -> list[str]:
    """A plain view cannot be asked: it counts for the methods that the table says it takes."""
    if hasattr(view, "actions"):
        return [method.upper() for method in view.actions if method != "head"]
    if hasattr(view, "cls"):
        return [method for method in METHODS if hasattr(view.cls, method.lower())]
    return [method for method, known in map(shape_of, ROUTES) if known == shape] or ["ANY"]


def shape_of(route: Route) -> tuple[str, str]:
    return route.method, re.sub(r"{\w+}", "{}", route.path)


def test_every_route_is_in_the_table_and_nothing_else_is():
    assert {shape_of(route) for route in ROUTES} == set(api())
    assert len({shape_of(route) for route in ROUTES}) == len(ROUTES)
    assert {row for route in ROUTES for row in route.rows} <= WHO.keys()


def test_every_view_names_its_permission():
    for (method, path), view in api().items():
        if not hasattr(view, "cls"):
            continue  # a plain view: the calls below show what it allows
        instance = view.cls(**view.initkwargs)
        instance.action = getattr(view, "actions", {}).get(method.lower())
        assert permission_for(instance, method), (method, path)


class World:
    """One of each caller, and of each thing: their own, another's, and none."""

    def __init__(self) -> None:
        self.people = {role: self._person(role) for role in CALLERS[1:]}
        self.other = self._person("customer", email="other@example.com")
        self.key, _text = create_key(name="spare", scopes=["read"])
        self.pool = PoolFactory.create()
        self.open = CampaignFactory.create()
        self.draft = DraftCampaignFactory.create(budget=100)
        self.hidden = CampaignFactory.create(users=[UserFactory()])
        self.event = event(user_id=self.other.pk, promotion_id=self.open.pk)
        send_and_process(self.event)
        send_and_process(event(user_id=self.other.pk, promotion_id=self.draft.pk))
        self.letter = DeadLetterEvent.objects.get()
        self.crowd = PoolFactory.create()
        add_users(self.crowd.pk, user_ids=[self.other.pk])
        self.book = BookFactory.create()
        made(self.book, 9)
        distribute(self.crowd.pk, book_id=self.book.pk, mode="equal", coupons_per_user=1)
        self.free = self.book.coupons.filter(state="UNASSIGNED").earliest("pk")
        self.distribution_id = self.book.distributions.get().pk

    @staticmethod
    def _person(role: str, **fields: Any) -> User:
        user: User = UserFactory.build(role=role, **fields)
        user.set_password(PASSWORD)
        user.save()
        return user

    def client(self, caller: str) -> APIClient:
        client = APIClient()
        if caller.startswith("key "):
            _key, text = create_key(name=caller, scopes=[caller.removeprefix("key ")])
            client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
        elif caller != "anonymous":
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(self.people[caller])}")
        return client

    def thing(self, kind: str, caller: str, whose: str) -> Any:
        """What `{kind}` stands for. Who owns nothing is given a third person's for their own."""
        if whose == "missing":
            nobodys = {"email": "nobody@example.com", "event": "e-none", "refresh": "none"}
            return nobodys.get(kind, "NOCODE" if kind in CODES else NOBODYS_ID)
        mine = whose == "own"
        person = self.people.get(caller, self.people["customer"]) if mine else self.other
        customer = person if person.role == "customer" else self.people["customer"]
        things = {
            "user": lambda: person.pk,
            "customer": lambda: customer.pk,
            "email": lambda: person.email,
            "refresh": lambda: sessions._open(person).refresh_token,
            "key": lambda: self.key.pk,
            "pool": lambda: self.pool.pk,
            "open": lambda: self.open.pk,
            "draft": lambda: self.draft.pk,
            "promotion": lambda: (self.open if mine else self.hidden).pk,
            "subscription": lambda: SubscriptionFactory.create(user=person).pk,
            "reservation": lambda: discounts.reserve(**self._cart(person)).pk,
            "redemption": lambda: discounts.grant(**self._cart(person)).pk,
            "event": lambda: self.event["event_id"],
            "letter": lambda: self.letter.pk,
            "crowd": lambda: self.crowd.pk,
            "book": lambda: self.book.pk,
            "batch": lambda: self.free.batch_id,
            "distribution": lambda: self.distribution_id,
            "free": lambda: self.free.code,
            "coupon": lambda: held(person).code,
            "locked": lambda: self._locked(person),
            "token": lambda: self.token,
            "use": lambda: redeem(held(person).code, user_id=person.pk).redemption.pk,
        }
        return things[kind]()

    def _cart(self, person: User) -> dict[str, Any]:
        return {"promotion_id": self.open.pk, "user_id": person.pk, "cart_value": Decimal(100)}

    def _locked(self, person: User) -> str:
        code = str(held(person).code)
        self.token = lock(code, user_id=person.pk).token
        return code


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Built once, in a transaction around those of the tests: each takes back what it did."""
    with django_db_blocker.unblock(), undone():
        yield World()


@pytest.fixture
def world(built: World, db: None) -> World:
    return built


def send(world: World, route: Route, caller: str, whose: str, **extra: Any) -> Any:
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(item) for name, item in value.items()}
        match = re.fullmatch(r"{(\w+)}", value) if isinstance(value, str) else None
        return world.thing(match[1], caller, whose) if match else value

    def text(template: str) -> str:
        return re.sub(r"{(\w+)}", lambda found: str(filled(found[0])), template)

    path = f"/{PREFIX}{text(route.path)}?{text(route.query)}"
    body = "" if route.body is None else json.dumps(filled(route.body))
    return world.client(caller).generic(route.method, path, body, "application/json", **extra)


def expected(route: Route, caller: str, whose: str) -> int:
    allowed = route.allowed(caller)
    if not allowed:
        return 401 if caller == "anonymous" else 403
    if whose == "missing":
        return 404 if allowed == "own" else route.missing
    return 404 if allowed == "own" and whose == "other" else route.ok


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.call)
def test_who_may(world: World, route: Route):
    answers, table = {}, {}
    for caller in EVERYBODY:
        for whose in ("own", "other", "missing") if route.names_a_thing else ("own",):
            with undone():
                answer = send(world, route, caller, whose)
            answers[caller, whose] = answer.status_code
            table[caller, whose] = expected(route, caller, whose)
            if answer.status_code >= 400:
                assert answer["Content-Type"] == "application/problem+json"
                assert answer.json()["status"] == answer.status_code
    assert answers == table


@pytest.mark.parametrize("path", sorted({path for _method, path in api()}))
def test_other_methods_are_refused(world: World, path: str):
    served = {method for method, shape in api() if shape == path}
    client = world.client("admin")
    for method in set(METHODS) - served:
        answer = client.generic(method, f"/{PREFIX}{path.replace('{}', '1')}")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert "Allow" in answer


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.method == "GET" and route.page],
    ids=lambda route: route.call,
)
def test_every_route_has_a_page_in_a_browser(world: World, route: Route):
    """Pages render the forms of the other methods too."""
    answer = send(world, route, "admin", "own", HTTP_ACCEPT="text/html")
    assert (answer.status_code, answer["Content-Type"][:9]) == (200, "text/html")
