"""What dead letters add to the page of a job: what became of a long replay, and the way to that."""

from django.http import HttpRequest

from accounts.admin.by_jobs import sentences
from accounts.admin.extensions import job_links
from accounts.models import Job
from engagement.admin.letter_actions import list_of
from engagement.letters import long
from engagement.letters.selection import from_words
from promopulse.lib.words import plural


def links(request: HttpRequest, job: Job) -> list[tuple[str, str]]:
    """Words and address."""
    sees = request.user.has_perm("engagement.view_deadletterevent")
    if job.kind != long.KIND or not sees:
        return []
    return [("The letters", list_of(from_words(job.params["selection"])))]


def _sent_back(job: Job) -> str:
    return f"{plural(job.result['sent_back'], 'dead letter')} sent back to the inbox."


job_links.append(links)
sentences[long.KIND] = _sent_back
