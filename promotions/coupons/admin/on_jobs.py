"""What coupons add to the page of a job that makes codes: the way to them."""

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.extensions import job_links
from accounts.models import Job
from promotions.coupons.admin.batches import results
from promotions.coupons.models import CodeBatch
from promotions.coupons.services import batch_jobs, batches


def links(request: HttpRequest, job: Job) -> list[tuple[str, str]]:
    """The batches of a job, and their codes once they are made: words and address."""
    if job.kind != batches.JOB:
        return []
    found = []
    made = CodeBatch.objects.filter(pk__in=batch_jobs.batch_ids(job)).order_by("pk")
    for batch in made:
        page = reverse("admin:coupons_codebatch_change", args=[batch.pk])
        found.append((f"Batch {batch.pk}", page))
        if job.state == Job.State.DONE:
            found += results(request, batch)
    return found


job_links.append(links)
