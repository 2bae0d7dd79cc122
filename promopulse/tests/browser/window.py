"""One browser window on the site: a person in it, what went wrong in it, how it looks."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

WIDE, NARROW, NARROWEST = (1280, 900), (390, 844), (320, 640)
# What WCAG 2.2 AA asks for, as axe names it.
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class Window:
    """A page with its own cookies. `problems` is what a person would call broken."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context, self.address = context, address
        self.problems: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        self.page.on("response", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        """Errors and warnings; a refused policy (CSP) is an error of the console."""
        if message.type == "error" or "Content Security Policy" in message.text:
            self.problems.append(f"console: {message.text} at {message.location.get('url')}")

    def _see(self, response: Response) -> None:
        if response.status >= 500:
            self.problems.append(f"{response.status}: {response.url}")

    def open(self, path: str) -> Page:
        """Go to a path of the site and wait until it is drawn."""
        self.page.goto(f"{self.address}{path}", wait_until="load")
        return self.page

    def resize(self, size: tuple[int, int]) -> None:
        """Make the window another size and wait until the page has followed."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def log_in(self, email: str, password: str) -> None:
        """Through the form that is everybody's."""
        self.open("/login")
        self.page.fill("[name=username]", email)
        self.page.fill("[name=password]", password)
        self.page.press("[name=password]", "Enter")
        self.page.wait_for_url(lambda url: "/login" not in url)

    def forge(self, path: str, **form: str) -> int:
        """POST a form that no page offers, with a valid token; the status it gets."""
        token = next(
            (one["value"] for one in self.context.cookies() if one["name"] == "csrftoken"), ""
        )
        answer = self.context.request.post(
            f"{self.address}{path}",
            form={**form, "csrfmiddlewaretoken": token},
            headers={"Referer": self.address},
            max_redirects=0,
        )
        return answer.status

    def shot(self, file: Path, *, whole: bool = False) -> None:
        """A picture of what is seen, or of the whole page."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file, full_page=whole, animations="disabled", caret="hide")

    def too_wide(self) -> int:
        """By how many pixels the page must be scrolled sideways; 0 is right."""
        return int(
            self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            if self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            else 0
        )

    def cut_off(self, selector: str) -> list[str]:
        """The words of those parts of the page of which something cannot be seen."""
        found: list[str] = self.page.eval_on_selector_all(
            selector,
            "all => all.filter(one => one.offsetParent && (one.scrollHeight > one.clientHeight + 1"
            " || one.scrollWidth > one.clientWidth + 1)).map(one => one.innerText)",
        )
        return found

    def violations(self) -> list[str]:
        """What axe finds serious or critical on the page, one line each."""
        self.page.evaluate(_axe())
        found: dict[str, Any] = self.page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags},"
            " resultTypes: ['violations'], preload: false})",
            STANDARD,
        )
        return [
            f"{violation['id']}: {node['target'][0]} {node['html'][:160]} "
            f"{node.get('failureSummary', '')}"
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text()


def opener(browser: Browser, address: str) -> Callable[..., Window]:
    """Makes windows: of a size, in a theme, with scripts or without."""

    def make(
        *, size: tuple[int, int] = WIDE, dark: bool = False, scripts: bool = True, **more: Any
    ) -> Window:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
            locale="en-US",
            timezone_id="UTC",
            **more,
        )
        return Window(context, address)

    return make
