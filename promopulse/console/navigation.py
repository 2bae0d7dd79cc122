"""The sidebar: what people look for, in the words they use; only what they may see."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


@dataclass(frozen=True)
class Shelf:
    """A group of lists: their models, each with its sign, and its name where that is another."""

    title: str
    models: tuple[tuple[str, ...], ...]


SHELVES = (
    Shelf(
        "Campaigns",
        (
            ("promotions.Promotion", "campaign"),
            ("subscriptions.Subscription", "how_to_reg"),
            ("discounts.Redemption", "sell"),
        ),
    ),
    Shelf(
        "Coupons",
        (
            ("coupons.CouponBook", "menu_book", "Books"),
            ("coupons.Coupon", "confirmation_number"),
            ("accounts.Pool", "groups"),
            ("coupons.Distribution", "share"),
        ),
    ),
    Shelf(
        "Traffic",
        (
            ("engagement.Event", "bolt"),
            ("engagement.EventStat", "bar_chart", "Stats"),
            ("engagement.DeadLetterEvent", "mark_email_unread", "Dead letters"),
        ),
    ),
    Shelf(
        "Operations",
        (
            ("accounts.Job", "task"),
            ("accounts.AuditEntry", "history", "Audit"),
            ("accounts.ApiKey", "key", "API keys"),
        ),
    ),
    Shelf("People", (("accounts.User", "person"),)),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups in the theme's terms."""
    found = [_group(request, shelf) for shelf in SHELVES]
    dashboard = {"title": "Dashboard", "icon": "dashboard", "link": reverse("admin:index")}
    found[0]["items"].insert(0, dashboard)
    return [group for group in found if group["items"]]


def _group(request: HttpRequest, shelf: Shelf) -> dict[str, Any]:
    items = []
    for label, icon, *names in shelf.models:
        model = _model(label)
        shown = admin.site._registry.get(model) if model else None
        if shown is not None and shown.has_view_permission(request):
            opts = shown.opts
            link = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
            title = names[0] if names else str(opts.verbose_name_plural).capitalize()
            items.append({"title": title, "icon": icon, "link": link})
    return {"title": shelf.title, "items": items}


def _model(label: str) -> Any:
    try:
        return apps.get_model(label)
    except LookupError:
        return None


def environment(request: HttpRequest) -> tuple[str, str] | None:
    """The label beside every page: which installation this is."""
    name = settings.ENVIRONMENT_LABEL
    if not name:
        return None
    return name, "danger" if name.lower().startswith("prod") else "info"


def styles(request: HttpRequest) -> str:
    return static("promopulse/admin.css")


def script(request: HttpRequest) -> str:
    return static("promopulse/admin.js")


def icon(request: HttpRequest) -> str:
    return static("promopulse/icon.svg")
