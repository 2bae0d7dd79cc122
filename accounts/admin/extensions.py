"""What higher apps add to the page of a person."""

from collections.abc import Callable

from django.http import HttpRequest

from accounts.models import User
from promopulse.lib.admin.panels import Panel

# Parts of the tabs of a person's page.
panels: list[Panel] = []

# More that can be done: words and address.
moves: list[Callable[[HttpRequest, User], list[tuple[str, str]]]] = []
