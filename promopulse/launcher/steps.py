"""What is done once before the processes start, by `make run` and by `migrate` alike."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from promopulse import environment
from promopulse.launcher import processes, secrets


def wants_demo() -> bool:
    return os.environ.get("DEMO", "").lower() in {"1", "true", "yes", "on"}


def prepare_environment(home: Path, urls: dict[str, str]) -> dict[str, str]:
    """Make the secrets that are missing; note them and the URLs where `manage.py` finds them.

    What was given in the environment is not written down: it stays where it came from.
    """
    file = home / "env"
    noted = environment.parse(file.read_text(encoding="utf-8")) if file.exists() else {}
    made = urls | secrets.ensure(home, demo=wants_demo())
    kept = {name: value for name, value in noted.items() if not os.environ.get(name)}
    secrets.write_private(file, environment.render(kept | made))
    return made


def metrics_folder(home: Path, *, fresh: bool = False) -> dict[str, str]:
    """The variable that makes processes count together, in a folder of the home.

    A `fresh` one begins at zero: only for whoever starts all the processes.
    """
    folder = home / "metrics"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def collect_static(home: Path, finish: Callable[[list[str]], object]) -> None:
    """Gather and compress the static files, unless nothing they come from has changed."""
    stamp = home / "static.stamp"
    wanted = _static_fingerprint(home)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    finish(processes.manage("collectstatic", "--no-input", "--clear"))
    stamp.write_text(wanted)


def _static_fingerprint(home: Path) -> str:
    """Of what is installed, and of our own files by name, size and time."""
    digest = hashlib.sha256((environment.PROJECT / "requirements.lock").read_bytes())
    folders = environment.PROJECT.glob("[!.]*/**/static")
    for folder in sorted(folder for folder in folders if home not in folder.parents):
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            status = file.stat()
            digest.update(f"{file}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
