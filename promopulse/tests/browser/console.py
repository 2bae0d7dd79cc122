"""What people do in the console, as steps of a journey; and what a shop does over the API."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page

from promopulse.tests.live import Instance

PROMOTIONS = "/admin/promotions/promotion/"


def ahead(days: int) -> str:
    """A day as a form takes it."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def draft(page: Page, name: str, **fields: Any) -> int:
    """Fill in the form of a new promotion and save it; its id. `page` shows an address of the site.

    Fields by their names in the form; times as (day, clock).
    """
    page.goto(page.url.split("/admin/")[0] + f"{PROMOTIONS}add/")
    fill(page, name=name, **fields)
    page.click("[name=_save]")
    page.wait_for_url("**/change/**")
    found = re.search(r"/promotion/(\d+)/", page.url)
    assert found
    return int(found[1])


def fill(page: Page, **fields: Any) -> None:
    for name, value in fields.items():
        if isinstance(value, tuple):
            page.fill(f"#id_{name}_0", value[0])
            page.fill(f"#id_{name}_1", value[1])
        elif page.locator(f"select#id_{name}").count():
            page.select_option(f"#id_{name}", value, force=True)
        else:
            page.fill(f"#id_{name}", str(value))


def move(page: Page, words: str, reason: str = "") -> None:
    """Press a button of a promotion's page, then confirm its preview."""
    page.get_by_role("link", name=f"{words}...").click()
    confirm(page, words, reason)


def confirm(page: Page, words: str, reason: str = "") -> None:
    if reason:
        page.fill("#id_reason", reason)
    page.get_by_role("button", name=re.compile(f"^{words}")).click()
    page.wait_for_load_state("load")


def told(page: Page) -> str:
    """What is said on the page, in one line."""
    return " ".join(page.locator("#main").inner_text().split())


def tile(page: Page, words: str) -> int:
    """The number on a tile of the dashboard, which `page` shows."""
    found = page.locator(".pp-tile", has_text=words).locator("strong").inner_text()
    return int(found.replace(",", ""))


class Shop:
    """A shop that talks to the API with a key of every scope."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.instance.request(method, f"/api/v1/{path}", body)

    def must(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.call(method, path, body)
        assert status < 300, answer
        return answer

    def customer(self, name: str) -> int:
        email = f"{name.lower()}-{datetime.now(UTC).timestamp()}@example.com"
        return int(self.must("POST", "customers", {"name": name, "email": email})["id"])

    def campaign(self, name: str, **fields: Any) -> int:
        body = {
            "name": name,
            "discount_type": "cart",
            "start_date": f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
            "end_date": f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%dT%H:%M:%SZ}",
            "total_budget": "1000",
            **fields,
        }
        if "discount_flat" not in body:
            body.setdefault("discount_percentage", "10")
        answer = self.must("POST", "campaigns", body)
        return int(answer.get("campaign_id") or answer["id"])
