"""A marketer's journeys: from draft to live, no live edit, two people at once, why not, zones."""

import re
from datetime import UTC, datetime

import pytest

from promopulse.tests.browser.console import (
    PROMOTIONS,
    Shop,
    ahead,
    confirm,
    draft,
    fill,
    move,
    tile,
    told,
)


@pytest.fixture
def shop(instance):
    return Shop(instance)


@pytest.fixture
def mia(window):
    return window("mia")


def test_from_draft_to_live(mia, window):
    page = mia.open("/admin/")
    running = tile(page, "running")
    promotion = draft(
        page,
        "Journey One",
        start_at=(ahead(0), "00:00"),
        end_at=(ahead(30), "00:00"),
        timezone="UTC",
        budget_total="10000",
        discount_type="cart",
        discount_percentage="20",
    )
    assert "Draft" in told(page)
    assert "20 % off the cart" in told(page)
    page.get_by_role("link", name="Activate...").click()
    preview = told(page)
    for words in ("every customer", "Runs in the same time", "Cannot be undone:", "UTC"):
        assert words in preview, words
    assert "It starts in the past: it runs at once." in preview
    confirm(page, "Activate", "Everybody agreed")
    assert "Activated: 1." in told(page)
    assert "Running" in told(page)
    page.get_by_role("link", name="History").click()
    assert "Everybody agreed" in told(page)
    assert tile(mia.open("/admin/"), "running") == running + 1
    trail = window("omar").open(f"/admin/accounts/auditentry/?q=promotion:{promotion}")
    assert "promotion.activate" in told(trail)


def test_a_live_edit_is_impossible_and_the_brake_works(mia, shop):
    campaign, alice = shop.campaign("Journey Two"), shop.customer("Alice")
    cart = {"campaign_id": campaign, "customer_id": alice, "cart_value": "50"}
    address = f"{PROMOTIONS}{campaign}/change/"
    page = mia.open(address)
    assert "are fixed" in told(page), "it says why"
    assert page.locator("#id_start_at_0, #id_budget_total, #id_discount_percentage").count() == 0

    forged = {"name": "Forged", "description": "", "start_at_0": ahead(9), "start_at_1": "00:00",
              "budget_total": "1", "discount_percentage": "99"}  # fmt: skip
    before = shop.must("GET", f"campaigns/{campaign}")
    mia.forge(address, **forged)
    after = shop.must("GET", f"campaigns/{campaign}")
    fixed = ("start_date", "total_budget", "discount_percentage")
    assert [after[name] for name in fixed] == [before[name] for name in fixed]
    status, problem = shop.call("PATCH", f"promotions/{campaign}", {"end_at": "2030-01-01T00:00Z"})
    assert (status, problem["code"]) == (422, "field_locked")

    page = mia.open(address)
    move(page, "Pause", "A wrong price")
    assert "Paused" in told(page)
    assert "A wrong price" in told(page)
    status, problem = shop.call("POST", "discounts/apply", cart)
    assert (status, problem["code"]) == (422, "promotion_paused")
    move(page, "Resume")
    assert "Running" in told(page)
    assert shop.call("POST", "discounts/apply", cart)[0] == 201


def test_the_second_of_two_who_save_is_told(window, shop):
    campaign = shop.campaign("Journey Two Tabs")
    address = f"{PROMOTIONS}{campaign}/change/"
    first, second = window("mia").open(address), window("admin").open(address)
    first.fill("#id_description", "Written by Mia")
    first.click("[name=_continue]")
    first.wait_for_load_state("load")
    second.fill("#id_description", "Written over")
    second.click("[name=_continue]")
    second.wait_for_load_state("load")
    words = told(second)
    assert "Somebody else saved this promotion meanwhile" in words
    assert "Mia Marketer" in words
    assert "Written by Mia" in words
    assert shop.must("GET", f"promotions/{campaign}")["description"] == "Written by Mia"


def test_why_not(mia, shop):
    terms = {"min_cart_value": "100", "max_usage_per_customer_per_day": 2}
    campaign, alice = shop.campaign("Journey Five", **terms), shop.customer("Alice")
    for _ in range(2):
        body = {"campaign_id": campaign, "customer_id": alice, "cart_value": "120"}
        shop.must("POST", "discounts/apply", body)
    page = mia.open(f"{PROMOTIONS}{campaign}/change/")
    page.get_by_role("link", name="Why not...").click()
    page.locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill(str(alice))
    page.get_by_role("option", name=re.compile(f"user {alice}$")).click()
    page.fill("#id_cart_value", "80")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector("#verdict")
    words = told(page)
    assert "Nothing: 2 rules said no." in words
    assert "The cart needs 20.00 more to reach 100.00." in words
    assert "2 of 2" in words
    assert page.get_by_text("Yes", exact=True).count() == 8
    assert page.get_by_text("No", exact=True).count() == 2
    body = {"customer_id": alice, "cart_value": "80", "include_ineligible": True}
    ineligible = shop.must("POST", "discounts/available", body)["ineligible"]
    (same,) = [one for one in ineligible if one["campaign_id"] == campaign]
    assert same["code"] in words


def test_a_time_that_does_not_exist_is_refused_with_the_choices(mia):
    page = mia.open(f"{PROMOTIONS}add/")
    # The clocks of Berlin skip from 2 to 3 o'clock on the last Sunday of March.
    year = datetime.now(UTC).year + 1
    day = max(day for day in range(25, 32) if datetime(year, 3, day, tzinfo=UTC).weekday() == 6)
    fill(
        page,
        name="Journey Ten",
        start_at=(f"{year}-03-{day}", "02:30"),
        end_at=(f"{year}-04-30", "00:00"),
        timezone="Europe/Berlin",
    )
    page.click("[name=_save]")
    page.wait_for_load_state("load")
    assert "The clocks skip 02:30 on this day: enter 01:30+01:00 or 03:30+02:00." in told(page)
    page.fill("#id_start_at_1", "03:30")
    page.click("[name=_save]")
    page.wait_for_url("**/change/**")
    page.goto(page.url.split("/admin/")[0] + PROMOTIONS)
    row = page.locator("tr", has_text="Journey Ten").inner_text()
    assert "03:30 CEST" in row
    assert "01:30 UTC" in row
