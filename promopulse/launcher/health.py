"""Whether a process does its work: asked by the launcher and by container health checks."""

import http.client
import os
import time
from pathlib import Path

from promopulse.launcher import processes

# Celery writes beat's schedule file every three minutes.
BEAT_SILENCE_SECONDS = 600.0


def web_is_ready() -> bool:
    """Whether the web process answers that it, its database and its migrations are ready."""
    host = processes.host()
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(address, processes.port(), timeout=5)
    try:
        connection.request("GET", "/health/ready", headers={"Host": _allowed_host()})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def worker_is_well() -> bool:
    """Whether this machine's worker answers through the broker: see `promopulse.workers`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")
    import django

    django.setup()
    from promopulse import workers

    try:
        return workers.here_is_well()
    except Exception:  # each broker's library has its own
        return False


def beat_is_well(home: Path) -> bool:
    """Whether beat has written its schedule lately; one file or several, as the system has it."""
    written_at = [path.stat().st_mtime for path in home.glob("beat-schedule*")]
    return time.time() - max(written_at, default=0.0) < BEAT_SILENCE_SECONDS


def _allowed_host() -> str:
    """A name Django answers to, whatever address we reach it at."""
    first = (os.environ.get("ALLOWED_HOSTS") or "localhost").split(",")[0].strip().lstrip(".")
    return "localhost" if first == "*" else first
