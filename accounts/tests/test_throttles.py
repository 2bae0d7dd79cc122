"""Limits that a route names: people by their id, services under a limit of their own."""

import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.api.throttles import per_caller
from accounts.models import User
from accounts.principals import Service
from promopulse.lib.errors import RateLimited


@pytest.fixture
def calls(settings, rate_limits):
    settings.RATE_LIMITS = {"apply": "2/minute", "available": "2/minute", "api_key": "4/minute"}
    throttles = {name: per_caller(name)() for name in ("apply", "available")}

    def allowed(caller, route="apply", times=6):
        done = 0
        for _ in range(times):
            request = Request(APIRequestFactory().post("/"))
            request.user = caller
            try:
                throttles[route].allow_request(request, view=None)
            except RateLimited:
                return done
            done += 1
        return done

    return allowed


def test_people_count_alone_and_by_route(calls):
    assert calls(User(pk=1)) == 2
    assert calls(User(pk=1)) == 0
    assert calls(User(pk=1), "available") == 2
    assert calls(User(pk=2)) == 2


def test_a_key_has_one_limit_for_all_routes(calls):
    shop = Service(key_id=1, name="shop", scopes=frozenset())
    assert calls(shop, "apply", times=3) == 3
    assert calls(shop, "available") == 1
    assert calls(Service(key_id=2, name="other", scopes=frozenset())) == 4


def test_off_means_off(calls, settings):
    settings.RATE_LIMITS_ON = False
    assert calls(User(pk=1)) == 6
