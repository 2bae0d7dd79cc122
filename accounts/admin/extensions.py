"""What higher apps add to the pages of people, pools and jobs."""

from collections.abc import Callable

from django.http import HttpRequest

from accounts.models import Job, Pool, User
from promopulse.lib.admin.panels import Panel

# Parts of the tabs of a person's page.
panels: list[Panel] = []

# More that can be done: words and address.
moves: list[Callable[[HttpRequest, User], list[tuple[str, str]]]] = []

# What can be done with a pool: words and address.
pool_moves: list[Callable[[HttpRequest, Pool], list[tuple[str, str]]]] = []

# Where the result of a job is: words and address.
job_links: list[Callable[[HttpRequest, Job], list[tuple[str, str]]]] = []
