"""Fixtures of the browser tests: one site and one browser for all, windows of its own for each.

A test fails on anything that went wrong in its windows: a script that stopped, an error on the
console, a violation of the content security policy, an answer of 500.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promopulse.tests.browser import chromium, site
from promopulse.tests.browser.window import Window, opener
from promopulse.tests.live import Instance


def pytest_itemcollected(item: pytest.Item) -> None:
    """Asked of the tests in this folder only. One process has them all: one site, one browser.

    Both end with the last test here: while the browser is driven a loop runs in this thread, and
    Django refuses to ask the database beside one.
    """
    item.add_marker(pytest.mark.browser)
    item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = site.start(tmp_path_factory.mktemp("site"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    try:
        with chromium.launched() as launched:
            yield launched
    except chromium.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="package")
def known_people() -> dict[str, Any]:
    """Cookies of those who have logged in before: a password takes a third of a second."""
    return {}


@pytest.fixture
def window(
    browser: Any, instance: Instance, known_people: dict[str, Any]
) -> Iterator[Callable[..., Window]]:
    """Opens windows: `window("mia", size=NARROW, dark=True)`, `window()` for nobody."""
    make = opener(browser, f"http://127.0.0.1:{instance.port}")
    opened: list[Window] = []

    def open_for(person: str = "", **how: Any) -> Window:
        if person in known_people:
            how["storage_state"] = known_people[person]
        made = make(**how)
        opened.append(made)
        if person and person not in known_people:
            made.log_in(site.email_of(person), site.password_of(person))
            known_people[person] = made.context.storage_state()
        return made

    yield open_for
    problems = [problem for made in opened for problem in made.problems]
    for made in opened:
        made.context.close()
    assert problems == []
