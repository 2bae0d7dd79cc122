"""What `make run` says once everything is up."""

import os

from promopulse.launcher import processes

ACCOUNTS = (
    ("admin@example.com", "admin123", "admin"),
    ("mia@example.com", "demo123", "marketer"),
    ("omar@example.com", "demo123", "ops"),
    ("alice@example.com", "demo123", "customer"),
)
PAGES = (
    ("/", "start page"),
    ("/my", "the pages of customers: coupons, offers, activity"),
    ("/admin/", "the console of marketers and ops"),
    ("/docs", "the API, to read and to try"),
    ("/health/ready", "how it is"),
)


def banner(*, seconds: float, demo: bool, first_event: dict[str, int] | None) -> str:
    """The addresses; with a demo world also its people, and an event to send into it."""
    host = "localhost" if processes.host() == "127.0.0.1" else processes.host()
    site = f"http://{host}:{processes.port()}"
    lines = ["", f"PromoPulse is ready ({seconds:.0f} s).", ""]
    lines += [f"  {site + path:<36}{words}" for path, words in PAGES]
    if demo:
        lines += ["", "Sign in as"]
        lines += [f"  {email:<20}{password:<11}{role}" for email, password, role in ACCOUNTS]
    if first_event:
        lines += ["", "Send an event (again: it is counted once)", *_curl(site, first_event)]
    return "\n".join([*lines, "", "Ctrl-C stops everything."])


def _curl(site: str, first_event: dict[str, int]) -> list[str]:
    fields = "".join(f', "{name}": {value}' for name, value in first_event.items())
    return [
        f"  curl -i {site}/api/v1/events/ingest \\",
        f'    -H "Authorization: Api-Key {os.environ["DEMO_API_KEY"]}" \\',
        "    -H 'Content-Type: application/json' \\",
        f"""    -d '{{"event_id": "hello-1", "type": "CLICK"{fields}}}'""",
    ]
