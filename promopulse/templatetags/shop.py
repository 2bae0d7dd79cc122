"""What the pages' templates say with few words."""

from datetime import datetime
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.principals import reach_of
from accounts.roles import Permission, Reach
from promopulse.lib.admin import shown
from promopulse.lib.time import rfc3339

register = template.Library()

# Name of the route, words, the permission that shows it, and whether one's own is enough.
_ROOMS = (
    ("my_coupons", "My coupons", Permission.SELF, True),
    ("my_offers", "Offers", Permission.QUOTE, True),
    ("my_activity", "Activity", Permission.SELF, True),
    ("desk_books", "Books", Permission.INTERNALS_READ, False),
    ("desk_pools", "Pools", Permission.INTERNALS_READ, False),
)

register.simple_tag(shown.sign, name="sign")


@register.simple_tag
def moment(at: datetime, words: str) -> SafeString:
    """A moment in words, and for machines."""
    return format_html('<time datetime="{}">{}</time>', rfc3339(at), words)


@register.simple_tag(takes_context=True)
def rooms(context: template.Context) -> SafeString:
    """The pages this person may open; the present one is marked."""
    request: Any = context["request"]
    links = []
    for name, words, permission, own in _ROOMS:
        reach = reach_of(request.user, permission)
        if reach is Reach.ALL or (own and reach is Reach.OWN):
            url = reverse(name)
            here = f"{request.path}/".startswith(f"{url}/")
            links.append((url, SafeString(' aria-current="page"') if here else "", words))
    if request.user.is_staff:
        links.append((reverse("admin:index"), "", "Console"))
    return format_html_join("", '<a href="{}"{}>{}</a>', links)
