"""What the admin says of work that a job does: at its start, and once it is done."""

from collections.abc import Callable

from django.contrib import messages
from django.urls import reverse

from accounts.models import Job
from promopulse.lib.admin.plans import Report

# What became of a job of this kind, in the words of the page that does the same at once.
sentences: dict[str, Callable[[Job], str]] = {}


def page_of(job: Job) -> str:
    return reverse("admin:accounts_job_change", args=[job.pk])


def left_to(job: Job) -> Report:
    """The report of a page that has started a job: it leads to the job's progress."""
    words = "A job does it. You can leave this page meanwhile."
    return Report(words, page_of(job), messages.INFO)


def sentence(job: Job) -> str:
    """Empty for a job that is not done, or of which there is nothing to say but its figures."""
    says = sentences.get(job.kind)
    return says(job) if says and job.state == Job.State.DONE else ""
