"""`make pictures`: the pictures of README and docs, taken again from a new demo world."""

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page

from promopulse.environment import PROJECT
from promopulse.tests.browser import chromium, site
from promopulse.tests.browser.window import Window, opener
from promopulse.tests.live import Instance

FOLDER = PROJECT / "docs" / "screenshots"
WIDTH = 1280
# Until a worker has left word, and what was made is counted.
SETTLED_SECONDS = 20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, closing(site.start(Path(folder))) as instance:
        time.sleep(SETTLED_SECONDS)
        with chromium.launched() as browser:
            make = opener(browser, f"http://127.0.0.1:{instance.port}")
            for name, (person, path, height, prepare) in _pictures(instance).items():
                window = make(size=(WIDTH, height or 900))
                window.log_in(site.email_of(person), site.password_of(person))
                prepare(window.open(path))
                window.shot(FOLDER / f"{name}.png", whole=height is None)
                _must_be_well(window)
                window.context.close()


def _pictures(
    instance: Instance,
) -> dict[str, tuple[str, str, int | None, Callable[[Page], object]]]:
    """By their names: who looks, at what, how high (None: the whole page), after doing what."""

    def the(sql: str) -> str:
        return str(instance.sql(sql)[0][0])

    def nothing(_page: Page) -> None:
        pass

    def twenty_thousand(page: Page) -> None:
        page.fill("#id_count", "20000")
        page.wait_for_selector("#look:has-text('by a job')")

    draft = the("SELECT id FROM promotions_promotion WHERE source_id = 'demo:winter'")
    book = the("SELECT id FROM coupons_couponbook WHERE name = 'Summer Sale 2026'")
    pool = the("SELECT id FROM accounts_pool WHERE name = 'Beta Testers'")
    locked = the("SELECT id FROM coupons_coupon WHERE state = 'LOCKED'")
    spread = f"asked=1&book={book}&pool={pool}&mode=equal&counted=each&how_many=2&seed=4711"
    coupons = "/admin/coupons"
    return {
        "dashboard": ("admin", "/admin/", 860, nothing),
        "activation-preview": (
            *("admin", f"/admin/promotions/promotion/move/activate/?ids={draft}", 840, nothing),
        ),
        "dead-letters": ("omar", "/admin/engagement/deadletterevent/", 860, nothing),
        "generate": ("mia", f"{coupons}/couponbook/{book}/generate/", 800, twenty_thousand),
        "distribution": ("mia", f"{coupons}/distribution/distribute/?{spread}", None, nothing),
        "coupon": ("admin", f"{coupons}/coupon/{locked}/change/", 640, nothing),
        "my-coupons": ("alice", "/my/coupons", 860, nothing),
    }


def _must_be_well(window: Window) -> None:
    if window.problems:
        raise SystemExit(f"{window.page.url}: {window.problems}")


if __name__ == "__main__":
    main()
