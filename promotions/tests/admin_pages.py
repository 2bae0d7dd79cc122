"""What the admin tests share: a logged-in person, and a draft's form as a browser sends it."""

from typing import Any

from django.contrib.messages import get_messages
from django.test import Client

from accounts.tests.factories import UserFactory

LIST = "/admin/promotions/promotion/"


def logged_in(role: str) -> tuple[Client, Any]:
    user: Any = UserFactory(role=role)
    client = Client()
    client.force_login(user)
    return client, user


def change(promotion_id: int) -> str:
    return f"{LIST}{promotion_id}/change/"


def as_sent(client: Client, url: str) -> dict[str, Any]:
    """The form of a page with what is in it, as a browser would send it back untouched."""
    form = client.get(url).context["adminform"].form
    data: dict[str, Any] = {}
    for field in form:
        context = field.field.widget.get_context(field.html_name, field.value(), {})["widget"]
        for part in context.get("subwidgets", [context]):
            value = part["value"]
            if part.get("type") == "checkbox":
                if part["attrs"].get("checked"):
                    data[part["name"]] = "on"
            elif "optgroups" in part:
                data[part["name"]] = [str(one) for one in value or []]
            else:
                data[part["name"]] = "" if value is None else value
    return data


def said(response: Any) -> list[str]:
    """The messages a response brings."""
    return [str(message) for message in get_messages(response.wsgi_request)]
