"""Where a page of the console is: the sidebar's own words, then the row."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_ARROW = SafeString(
    '<span class="material-symbols-outlined mx-2 text-base-400 dark:text-base-500" '
    'aria-hidden="true">chevron_right</span>'
)


@register.simple_tag(takes_context=True)
def trail(context: template.Context) -> SafeString:
    """Shelf (but where it has the list's name), list and row of the page.

    Names of rows are shown as they are written. The row is `original`, as a row's own page has it,
    or `object`, where a page is about one.
    """
    options: Any = context["opts"]
    route = f"admin:{options.app_label}_{options.model_name}"
    page = reverse(f"{route}_changelist")
    parts = [(page, str(options.verbose_name_plural).capitalize())]
    for group in context.get("sidebar_navigation") or ():
        for item in group["items"]:
            if item["link"] == page:
                shelf = [] if group["title"] == item["title"] else [("", group["title"])]
                parts = [*shelf, (page, item["title"])]
    row = context.get("original") or context.get("object")
    if row is not None:
        parts.append((reverse(f"{route}_change", args=[row.pk]), str(row)))
    return format_html_join(_ARROW, "{}", ((_part(url, words),) for url, words in parts))


def _part(url: str, words: str) -> SafeString:
    looks = "inline-block leading-5 min-w-0 truncate tracking-tight"
    if not url:
        return format_html('<span class="{}">{}</span>', looks, words)
    return format_html('<a class="{}" href="{}">{}</a>', looks, url, words)
