"""What coupons add to the page of a job: what became of it, and the way to that."""

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.by_jobs import sentences
from accounts.admin.extensions import job_links
from accounts.models import Job
from promotions.coupons.admin import distributing, distributions, uploading
from promotions.coupons.admin.access import may_write
from promotions.coupons.admin.batches import results
from promotions.coupons.models import CodeBatch, Distribution
from promotions.coupons.services import batch_jobs, batches, distribution_jobs, upload_jobs

Links = list[tuple[str, str]]

_BATCHES = {batches.JOB: batch_jobs.batch_ids, upload_jobs.KIND: upload_jobs.batch_ids}


def links(request: HttpRequest, job: Job) -> Links:
    """Words and address."""
    if job.kind in _BATCHES:
        return _batches(request, job)
    if job.kind == distribution_jobs.DISTRIBUTE and job.state == Job.State.FAILED:
        again = ("Review it again", distributing.address_of(job.params))
        return [again] if may_write(request) else []
    if job.kind in (distribution_jobs.DISTRIBUTE, distribution_jobs.UNDO):
        return _distribution(request, job)
    return []


def _batches(request: HttpRequest, job: Job) -> Links:
    """The batches of a job, and their codes once they are made."""
    found = []
    made = CodeBatch.objects.filter(pk__in=_BATCHES[job.kind](job)).order_by("pk")
    for batch in made:
        page = reverse("admin:coupons_codebatch_change", args=[batch.pk])
        found.append((f"Batch {batch.pk}", page))
        if job.state == Job.State.DONE:
            found += results(request, batch)
    return found


def _distribution(request: HttpRequest, job: Job) -> Links:
    """What was given or taken back, and how to undo it."""
    number = job.result.get("distribution_id", job.params.get("distribution_id"))
    found = Distribution.objects.filter(pk=number).first()
    if found is None:
        return []
    page = reverse("admin:coupons_distribution_change", args=[found.pk])
    undo = reverse("admin:coupons_distribution_undo", args=[found.pk])
    is_undone = found.undone_at is not None or job.kind == distribution_jobs.UNDO
    offers_undo = may_write(request) and not is_undone
    return [(f"Distribution {found.pk}", page), *([("Undo...", undo)] if offers_undo else [])]


def _brought(job: Job) -> str:
    words = uploading.said(job.result["codes"], job.params["left_out"])
    existed = job.result["existed_already"]
    return f"{words} {existed:,} existed already by then." if existed else words


def _given(job: Job) -> str:
    return distributing.given_words(job.result["coupons"], job.result["people"])


def _taken_back(job: Job) -> str:
    return distributions.taken_back_words(job.result["coupons"])


job_links.append(links)
sentences[upload_jobs.KIND] = _brought
sentences[distribution_jobs.DISTRIBUTE] = _given
sentences[distribution_jobs.UNDO] = _taken_back
