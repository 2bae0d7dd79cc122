"""Pages in tabs, drawn by the server: one address a tab, each with only what it needs.

An app lower down has the page; higher apps add panels to its tabs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

Draw = Callable[[HttpRequest, Any], SafeString | str]


@dataclass(frozen=True)
class Panel:
    """A part of a tab. `draw` gives nothing where there is nothing to say."""

    tab: str
    title: str
    draw: Draw
    place: int = 50


@dataclass(frozen=True)
class Drawn:
    title: str
    body: SafeString | str


def chosen(request: HttpRequest, tabs: Sequence[str]) -> str:
    """The tab that an address asks for; a form that was sent is on the first."""
    known = [tab.lower() for tab in tabs]
    wanted = request.GET.get("tab", "")
    return wanted if wanted in known and request.method != "POST" else known[0]


def context(
    request: HttpRequest, row: Any, *, page: str, tabs: Sequence[str], panels: Sequence[Panel]
) -> dict[str, Any]:
    """What `admin/tabbed_form.html` shows beside the form of a row whose page is at `page`."""
    tab = chosen(request, tabs)
    own = sorted((one for one in panels if one.tab.lower() == tab), key=lambda one: one.place)
    drawn = [Drawn(one.title, one.draw(request, row)) for one in own]
    return {
        "tab": tab,
        "first_tab": tab == tabs[0].lower(),
        "tabs": [(name, f"{page}?tab={name.lower()}", name.lower() == tab) for name in tabs],
        "panels": [one for one in drawn if one.body],
    }
