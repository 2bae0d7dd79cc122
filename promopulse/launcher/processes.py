"""The command lines of the three kinds of process. All run in the project folder."""

import os
import sys
from pathlib import Path

QUEUES = "events,celery"


def web() -> list[str]:
    """Granian serving WSGI: measured cheapest in CPU per request of the servers tried."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"]
    command += ["--host", host(), "--port", str(port())]
    command += ["--workers", _number("WEB_WORKERS", 2)]
    command += ["--blocking-threads", _number("WEB_THREADS", 8)]
    command += ["--respawn-failed-workers", "--workers-kill-timeout", "10"]
    # Its one warning, at every start, is that there are more threads than CPUs: they wait for
    # the database most of the time.
    command += ["--log-level", "error"]
    return [*command, "promopulse.wsgi:application"]


def worker() -> list[str]:
    """Celery's prefork pool. It needs no word from other workers, so it does not ask for any."""
    command = [*_celery("worker"), "--concurrency", _number("WORKER_CONCURRENCY", 3)]
    return [*command, "--without-gossip", "--without-mingle", "--queues", QUEUES]


def beat(home: Path) -> list[str]:
    """The clock: one of it per instance. It remembers in the home folder what it last rang."""
    return [*_celery("beat"), "--schedule", str(home / "beat-schedule"), "--pidfile", ""]


def manage(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", *arguments]


def host() -> str:
    return os.environ.get("BIND_ADDRESS") or "127.0.0.1"


def port() -> int:
    return int(_number("PORT", 8000))


def _celery(kind: str) -> list[str]:
    level = os.environ.get("LOG_LEVEL") or "INFO"
    # Celery warns root because of pickled messages; ours are JSON only.
    python = [sys.executable, "-W", "ignore:You're running the worker with superuser"]
    celery = [*python, "-m", "celery", "--quiet", "--no-color", "-A", "promopulse"]
    return [*celery, kind, "--loglevel", level]


def _number(name: str, default: int) -> str:
    """Raises ValueError naming the variable, so that a typing error is found before the start."""
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number, not {text!r}")
    return text
