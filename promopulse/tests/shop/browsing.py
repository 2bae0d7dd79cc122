"""What the tests of the pages share: somebody in a browser, and what a page told them."""

from typing import Any

from django.test import Client

from accounts.tests.factories import UserFactory


def logged_in(user: Any = None, **fields: Any) -> Client:
    """A browser in which this user, or a new one, is logged in; they are `client.person`."""
    client = Client()
    client.person = user or UserFactory(**fields)  # type: ignore[attr-defined]
    client.force_login(client.person)  # type: ignore[attr-defined]
    return client


def told(client: Client, answer: Any) -> Any:
    """What is told on the page that a POST leads to: the whole `Told`, and the page itself."""
    assert answer.status_code == 302, answer.content
    page = client.get(answer["Location"])
    assert page.status_code == 200
    beside = [ticket["told"] for ticket in page.context.get("tickets", []) if ticket["told"]]
    found = beside[0] if beside else page.context["told"]
    assert found.words in page.content.decode()
    return found, page


def codes(page: Any) -> set[str]:
    """The codes on a page of coupons."""
    return {ticket["card"].code for ticket in page.context["tickets"]}
