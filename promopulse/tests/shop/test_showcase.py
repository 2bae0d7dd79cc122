"""The showcase: every action in every state, with the outcomes and words that are promised."""

import re
import threading

import pytest
from django.db import connection

from accounts.tests.factories import UserFactory
from promopulse.tests.shop.browsing import logged_in, told
from promotions.coupons.models import CouponRedemption
from promotions.coupons.tests.factories import BookFactory, held
from promotions.discounts.tests.factories import CampaignFactory

LIST = "/my/coupons"


@pytest.fixture
def client(settings, db):
    settings.DEMO = True
    return logged_in(name="Alice")


@pytest.fixture
def coupon(client):
    return held(client.person)


def attempt(client, coupon, action, button="action"):
    form = {button: action, "showcase": "1", "tab": "all"}
    return told(client, client.post(f"{LIST}/{coupon.pk}/act", form))


def tried(client, coupon, action, button="action"):
    """Status, code and sentence, as they stand beside the card."""
    outcome, page = attempt(client, coupon, action, button)
    (ticket,) = page.context["tickets"]
    assert ticket["told"] == outcome
    shown = page.content.decode()
    assert f"{action.capitalize()}: {outcome.status}" in shown
    assert not outcome.code or f"<code>{outcome.code}</code>" in shown
    return outcome.status, outcome.code, outcome.words


def brought_to(client, coupon, state):
    for action in {"ASSIGNED": [], "LOCKED": ["lock"], "REDEEMED": ["redeem"]}[state]:
        tried(client, coupon, action)


@pytest.mark.parametrize(
    ("state", "action", "button", "outcome"),
    [
        ("ASSIGNED", "redeem", "action", (201, "", "Redeemed.")),
        ("ASSIGNED", "lock", "action", (200, "", "Locked: nobody else can use it meanwhile.")),
        ("LOCKED", "redeem", "action", (409, "coupon_locked", "Cannot redeem LOCKED coupon")),
        ("LOCKED", "redeem", "with_token", (201, "", "Redeemed.")),
        ("LOCKED", "lock", "action", (409, "coupon_already_locked", "Already locked")),
        ("LOCKED", "unlock", "with_token", (200, "", "Unlocked: it can be used again.")),
        ("REDEEMED", "redeem", "action", (409, "coupon_redeemed", "Terminal state")),
        ("REDEEMED", "lock", "action", (409, "coupon_redeemed", "Invalid transition")),
        (
            "ASSIGNED",
            "assign",
            "action",
            (403, "permission_denied", "Your role or key does not allow this."),
        ),
    ],
)
def test_the_outcomes_and_their_words(client, coupon, state, action, button, outcome):
    brought_to(client, coupon, state)
    assert tried(client, coupon, action, button) == outcome


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        (
            "ASSIGNED",
            ["Redeem", "Lock", "Try unlock (will fail)", "Try assign (will fail)"],
        ),
        (
            "LOCKED",
            [
                "Try redeem without the token (will fail)",
                "Redeem with the token",
                "Try lock (will fail)",
                "Unlock with the token",
                "Try assign (will fail)",
            ],
        ),
        (
            "REDEEMED",
            [
                "Try redeem (will fail)",
                "Try lock (will fail)",
                "Try unlock (will fail)",
                "Try assign (will fail)",
            ],
        ),
    ],
)
def test_every_action_is_there_and_says_whether_it_will_fail(client, coupon, state, buttons):
    brought_to(client, coupon, state)
    page = client.get(LIST, {"showcase": "1"})
    assert [one.words for one in page.context["tickets"][0]["tries"]] == buttons
    shown = page.content.decode()
    assert all(f">{words}</button>" in shown for words in buttons)


def test_each_request_is_there_as_curl(client, coupon):
    shown = client.get(LIST, {"showcase": "1"}).content.decode()
    for action in ("redeem", "lock", "unlock", "assign"):
        assert f"http://testserver/api/v1/coupons/{action}/{coupon.code}" in shown
    assert f"{{&quot;user_id&quot;: {client.person.pk}}}" in shown


def test_a_code_cannot_break_out_of_its_curl_line(client):
    held(client.person, BookFactory(), pattern="A B.{}")
    shown = client.get(LIST, {"showcase": "1"}).context["tickets"][0]["tries"][0].curl
    assert re.search(r"/api/v1/coupons/redeem/A%20B\.\w+ ", shown)


def test_a_campaigns_coupon_is_tried_with_a_cart_of_a_hundred(client):
    coupon = held(client.person, BookFactory(promotion=CampaignFactory()))
    assert tried(client, coupon, "redeem") == (201, "", "Redeemed. You save $10.")


def test_customers_see_it_in_a_demo_only_and_staff_always(client, coupon, settings):
    settings.DEMO = False
    page = client.get(LIST, {"showcase": "1"})
    assert page.context["showcase"] is False
    assert "Showcase" not in page.content.decode()
    assert page.context["tab"] == "available"
    assert logged_in(role="ops").get(LIST, {"showcase": "1"}).context["showcase"] is True


def test_what_a_role_does_not_have_is_told_and_not_done(client):
    marketer = logged_in(role="marketer")
    coupon = held(marketer.person)
    for action in ("redeem", "lock", "unlock"):
        assert tried(marketer, coupon, action)[:2] == (403, "permission_denied")
    assert tried(marketer, coupon, "assign") == (
        409,
        "coupon_not_available",
        "Coupon not available",
    )
    coupon.refresh_from_db()
    assert coupon.state == "ASSIGNED"


@pytest.mark.django_db(transaction=True)
def test_two_windows_at_once_use_it_once(settings):
    settings.DEMO = True
    person = UserFactory()
    for _round in range(3):
        coupon = held(person)
        windows = [logged_in(person), logged_in(person)]
        together, found = threading.Barrier(len(windows)), []

        def press(window, coupon=coupon, together=together, found=found):
            together.wait()
            form = {"action": "redeem", "showcase": "1", "tab": "all"}
            answer = window.post(f"{LIST}/{coupon.pk}/act", form)
            # Contexts are recorded for all threads together: only the text is this window's own.
            page = window.get(answer["Location"]).content.decode()
            found.extend(re.findall(r"<strong>(.+?)</strong><span.+?>Redeem: (\d+)", page))
            connection.close()

        threads = [threading.Thread(target=press, args=(window,)) for window in windows]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (won, created), (lost, refused) = sorted(found, key=lambda one: one[1])
        assert (won, created) == ("Redeemed.", "201")
        assert lost in ("Concurrent redemption detected", "Terminal state")
        assert refused == "409"
        assert CouponRedemption.objects.filter(coupon=coupon).count() == 1
