"""Export this filter: the rows of a list as CSV, newest first, page by page through its index.

What a list masks is masked in its export: columns are fields or the list's own methods. More than
`AT_ONCE` rows are written by a job.
"""

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import reverse

from promopulse.lib.pagination import after
from promopulse.lib.time import rfc3339

if TYPE_CHECKING:
    from promopulse.lib.admin.base import BaseAdmin

ROWS_A_PAGE = 2_000
AT_ONCE = 10_000


def url_name(model: type[Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}_export"


def url(model: type[Model], query: str) -> str:
    """The export of a list with these filters."""
    address = reverse(f"admin:{url_name(model)}")
    return f"{address}?{query}" if query else address


class View:
    """`.../export/?<the list's filters>`. What starts a job is sent, never followed."""

    def __init__(self, model_admin: "BaseAdmin") -> None:
        self.admin = model_admin

    def __call__(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        if not self.admin.has_view_permission(request):
            raise PermissionDenied
        rows = rows_of(self.admin, request)
        # A search can hold an address, which no job may keep; it finds few rows anyway.
        if "@" not in request.GET.get("q", "") and is_long(rows):
            if request.method == "POST":
                job_page = self.admin.admin_site.export_as_job(self.admin, request)
                return HttpResponseRedirect(job_page)
            self.admin.message_user(request, "A job writes so many rows: press Export.", "warning")
            name = f"{self.admin.opts.app_label}_{self.admin.opts.model_name}_changelist"
            return HttpResponseRedirect(f"{reverse(f'admin:{name}')}?{request.GET.urlencode()}")
        return StreamingHttpResponse(
            lines(self.admin, rows),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{file_name(self.admin)}"'},
        )


def file_name(model_admin: "BaseAdmin") -> str:
    return f"{model_admin.opts.verbose_name_plural}.csv".replace(" ", "-")


def is_long(rows: QuerySet[Any]) -> bool:
    """Whether there are too many rows for one request."""
    return bool(rows.order_by()[: AT_ONCE + 1].count() > AT_ONCE)


def rows_of(model_admin: "BaseAdmin", request: HttpRequest) -> QuerySet[Any]:
    """What the list shows with the request's filters."""
    shown = model_admin.get_changelist_instance(request)
    rows: QuerySet[Any] = shown.get_queryset(request)
    return rows


def lines(model_admin: "BaseAdmin", rows: QuerySet[Any]) -> Iterator[str]:
    """The whole file."""
    yield header(model_admin)
    key: list[Any] | None = None
    while page := page_after(model_admin, rows, key):
        yield text(model_admin, page)
        key = key_of(model_admin, page[-1])


def header(model_admin: "BaseAdmin") -> str:
    return _csv([model_admin.export_columns])


def page_after(model_admin: "BaseAdmin", rows: QuerySet[Any], key: list[Any] | None) -> list[Any]:
    """The rows that follow the one with this key; the first without one."""
    order = list(model_admin.ordering)
    if key is not None:
        rows = rows.filter(after(order, key))
    return list(rows.order_by(*order)[:ROWS_A_PAGE])


def key_of(model_admin: "BaseAdmin", row: Any) -> list[Any]:
    """Where a row stands in the order of its list."""
    return [getattr(row, name.lstrip("-")) for name in model_admin.ordering]


def key_as_json(key: list[Any]) -> list[Any]:
    return [{"at": rfc3339(one)} if isinstance(one, datetime) else one for one in key]


def key_from(stored: list[Any] | None) -> list[Any] | None:
    """The key that `key_as_json` wrote down."""
    if stored is None:
        return None
    return [datetime.fromisoformat(one["at"]) if isinstance(one, dict) else one for one in stored]


def text(model_admin: "BaseAdmin", rows: list[Any]) -> str:
    return _csv(
        [_value(model_admin, row, name) for name in model_admin.export_columns] for row in rows
    )


def _csv(rows: Any) -> str:
    out = StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _value(model_admin: "BaseAdmin", row: Any, name: str) -> Any:
    of_list = getattr(model_admin, name, None)
    value = of_list(row) if callable(of_list) else getattr(row, name)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    # A spreadsheet would take such a text for a formula and run it.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
