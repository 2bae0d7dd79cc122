"""Large exports run as jobs: too many rows for one request, and one can leave the page."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, QueryDict

from accounts import jobs
from accounts.jobs.running import append_to_file
from accounts.models import Job
from promopulse.lib.admin import BaseAdmin, export

KIND = "export"


def start(model_admin: BaseAdmin, request: HttpRequest) -> Job:
    """Export the list with the request's filters, as the person who asks."""
    opts = model_admin.opts
    return jobs.start(
        KIND,
        title=f"Export {opts.verbose_name_plural}",
        params={
            "model": opts.label_lower,
            "query": request.GET.urlencode(),
            "file": export.file_name(model_admin),
        },
    )


def step(job: Job) -> bool:
    """One page of rows. Raises PermissionDenied for somebody who no longer sees the list."""
    model_admin = _list_of(job)
    request = _as_sent(job)
    jobs.still_may(job)
    rows = export.rows_of(model_admin, request)
    found = export.page_after(model_admin, rows, export.key_from(job.place.get("after")))
    if not job.place:
        append_to_file(job, export.header(model_admin))
    if found:
        append_to_file(job, export.text(model_admin, found))
        job.place["after"] = export.key_as_json(export.key_of(model_admin, found[-1]))
        job.done += len(found)
    more = len(found) == export.ROWS_A_PAGE
    if not more:
        job.total, job.result = job.done, {"rows": job.done}
    return more


def _list_of(job: Job) -> Any:
    return admin.site._registry[apps.get_model(job.params["model"])]


def _may(user: Any, job: Job) -> bool:
    """Who sees the list may have the rows of it."""
    asks = HttpRequest()
    asks.user = user
    return bool(_list_of(job).has_view_permission(asks))


def _as_sent(job: Job) -> HttpRequest:
    """The request of the list, as it was made."""
    request = HttpRequest()
    request.method = "GET"
    request.GET = QueryDict(job.params["query"])
    assert job.actor is not None  # a list is exported by somebody
    request.user = job.actor
    return request


def register() -> None:
    jobs.register(jobs.Kind(KIND, "Export a list", step, file="export.csv", may=_may))
