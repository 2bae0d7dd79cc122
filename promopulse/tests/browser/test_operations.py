"""The journeys of ops: the loop of a dead letter, who may do what."""

import re
import time

import pytest

from promopulse.tests.browser.console import PROMOTIONS, Shop, confirm, told
from promopulse.tests.live import wait_for

LETTERS = "/admin/engagement/deadletterevent/"


@pytest.fixture
def shop(instance):
    return Shop(instance)


def views(shop, promotion):
    return shop.must("GET", f"promotions/{promotion}/stats")["totals"]["VIEW"]["events"]


def test_the_loop_of_a_dead_letter(window, shop, instance):
    promotion = shop.campaign("Journey Six", status="draft")
    customer = shop.customer("Bob")
    events = [
        {"event_id": f"six-{time.time_ns()}-{number}", "type": "VIEW", "user_id": customer,
         "promotion_id": promotion}
        for number in range(50)
    ]  # fmt: skip
    shop.must("POST", "events/ingest", {"events": events})
    count = (
        "SELECT count(*) FROM engagement_deadletterevent "
        f"WHERE promotion_id = {promotion} AND state = 'open'"
    )
    wait_for(lambda: instance.sql(count) == [(50,)], 20, "the events did not die")

    omar = window("omar")
    page = omar.open(LETTERS)
    row = page.locator(".pp-groups > li", has_text=f"promotion_not_active:{promotion}")
    assert "50 letters" in " ".join(row.inner_text().split())
    assert "Activate the promotion, then replay." in row.inner_text()
    shop.must("PATCH", f"campaigns/{promotion}/status", {"status": "active"})

    row.get_by_role("link", name="Replay 5 as a sample...").click()
    assert "Letters 5 (the oldest, as a sample)" in told(page)
    assert views(shop, promotion) == 0, "a plan does nothing"
    confirm(page, "Replay 5")
    assert "Being replayed: 5." in told(page)
    wait_for(lambda: views(shop, promotion) == 5, 20, "the sample was not counted")

    page = omar.open(LETTERS)
    row = page.locator(".pp-groups > li", has_text=f"promotion_not_active:{promotion}")
    row.get_by_role("link", name="Replay all...").click()
    plan = page.url
    confirm(page, "Replay 45", "Active now")
    wait_for(lambda: views(shop, promotion) == 50, 20, "the rest was not counted")
    page.goto(plan)
    assert "There is nothing to do" in told(page)
    time.sleep(1)
    assert views(shop, promotion) == 50


VIEWER = {"email": "vera@example.com", "password": "demo12345"}


@pytest.fixture(scope="package")
def vera(instance):
    """Somebody who may look at everything."""
    instance.python(
        "from accounts.services.users import create_user; "
        f"create_user(name='Vera Viewer', role='viewer', **{VIEWER!r})"
    )
    return VIEWER


def test_viewer_and_ops_do_what_they_may(window, shop, vera):
    promotion = shop.campaign("Journey Nine")
    viewer, omar = window(), window("omar")
    viewer.log_in(vera["email"], vera["password"])
    for path in ("/admin/", PROMOTIONS, f"{PROMOTIONS}{promotion}/change/", LETTERS,
                 "/admin/engagement/event/", "/admin/accounts/auditentry/",
                 "/admin/accounts/user/", "/admin/discounts/redemption/"):  # fmt: skip
        page = viewer.open(path)
        assert page.locator("#main").count() == 1, path
        offered = page.get_by_role("link", name=re.compile(r"(Activate|Pause|End|Replay).*\.\.\."))
        assert offered.count() == 0, path
        assert page.locator("[name=_save], .addlink").count() == 0, path

    ended = f"{PROMOTIONS}move/end/?ids={promotion}"
    forged = {
        ended: {"plan": "x"},
        f"{PROMOTIONS}{promotion}/change/": {"name": "Forged"},
        f"{PROMOTIONS}add/": {"name": "Forged"},
        "/admin/accounts/user/4/change/": {"name": "Forged"},
        "/admin/accounts/user/4/erase/": {"reason": "x", "plan": "x"},
        "/admin/accounts/user/4/reveal/": {"reason": "x"},
        "/admin/accounts/pool/add/": {"name": "Forged"},
        "/admin/accounts/apikey/add/": {"name": "Forged", "scopes": "read"},
    }
    letters = {f"{LETTERS}act/{name}/?cause=promotion_expired": {"plan": "x", "reason": "x"}
               for name in ("replay", "discard", "restore")}  # fmt: skip
    for path, form in (forged | letters).items():
        assert viewer.forge(path, **form) == 403, path
    for path, form in forged.items():
        assert omar.forge(path, **form) == 403, path
    assert shop.must("GET", f"promotions/{promotion}")["name"] == "Journey Nine"
    assert omar.forge(next(iter(letters)), plan="x", reason="x") == 302, "ops may; the plan is old"
