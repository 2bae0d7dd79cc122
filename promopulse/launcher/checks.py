"""`make check`: everything a change must pass besides the tests, each told with its time.

`make openapi` is here too: it writes down the schema that one of the checks compares.
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from promopulse import environment
from promopulse.environment import PROJECT
from promopulse.launcher.disposable import Servers
from promopulse.launcher.processes import manage
from promopulse.launcher.services import URLS
from promopulse.lib.words import plural

CONFIGURATION = PROJECT / "deploy" / "check.env"
SCHEMA = PROJECT / "docs" / "openapi.yaml"
DIFFERENCE_LINES_SHOWN = 40


def main(arguments: list[str]) -> int:
    """Run every check, whatever the others say, or write the schema; 1 if anything failed."""
    given = environment.parse(CONFIGURATION.read_text(encoding="utf-8"))
    os.environ["PROMOPULSE_ENV_FILE"] = str(CONFIGURATION)
    for name in URLS:
        os.environ.pop(name, None)
    servers = Servers()
    try:
        os.environ |= given | servers.start()
        if arguments == ["openapi"]:
            return _write_schema()
        failed = [name for name, check in CHECKS.items() if not _passes(name, check)]
    finally:
        servers.stop()
    if failed:
        print(f"\nFailed: {', '.join(failed)}")
    return 1 if failed else 0


def _write_schema() -> int:
    problems = _problems(_spectacular(SCHEMA))
    print(problems or f"{SCHEMA.relative_to(PROJECT)} is up to date.")
    return 1 if problems else 0


def _passes(name: str, check: Callable[[], str]) -> bool:
    started_at = time.monotonic()
    problems = check()
    verdict = "FAILED" if problems else "ok"
    print(f"  {name:<12}{verdict:<8}{time.monotonic() - started_at:5.1f} s", flush=True)
    if problems:
        print(problems, flush=True)
    return not problems


def _module(*command: str) -> Callable[[], str]:
    return lambda: _problems([sys.executable, "-m", *command])


def _manage(*arguments: str) -> Callable[[], str]:
    return lambda: _problems(manage(*arguments))


def _problems(command: list[str]) -> str:
    """What a command said when it failed; "" when it did not."""
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    return (done.stdout + done.stderr).strip() or f"ended with {done.returncode}"


def _arrows() -> str:
    # Its script, run by our Python: a path with a space would break the script's first line.
    return _problems([sys.executable, str(Path(sys.executable).with_name("lint-imports"))])


def _locks() -> str:
    """What requirements*.txt ask for is what the lock files install."""
    problems = []
    for asked in sorted(PROJECT.glob("requirements*.txt")):
        lock = asked.with_suffix(".lock")
        locked = set(PIN.findall(lock.read_text(encoding="utf-8")))
        for name, version in PIN.findall(asked.read_text(encoding="utf-8")):
            if (name, version) not in locked:
                problems.append(f"{name}=={version} is not in {lock.name}: make lock")
    return "\n".join(problems)


def _spectacular(file: Path) -> list[str]:
    return manage("spectacular", "--validate", "--fail-on-warn", "--file", str(file))


def _openapi() -> str:
    """The schema is valid, complete, and the one that is published."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "openapi.yaml"
        if problems := _problems(_spectacular(made)):
            return problems
        now = made.read_text(encoding="utf-8").splitlines()
    published = SCHEMA.read_text(encoding="utf-8").splitlines() if SCHEMA.exists() else []
    name = str(SCHEMA.relative_to(PROJECT))
    changes = list(difflib.unified_diff(published, now, name, "made now", n=1, lineterm=""))
    if not changes:
        return ""
    shown = "\n".join(changes[:DIFFERENCE_LINES_SHOWN])
    return (
        f"{shown}\n{name} is not up to date ({plural(len(changes), 'line')} changed): make openapi"
    )


# A line such as `redis[hiredis]==8.1.0`.
PIN = re.compile(r"^([\w.-]+)(?:\[[^]]*\])?==([\w.]+)", re.MULTILINE)

CHECKS: dict[str, Callable[[], str]] = {
    "format": _module("ruff", "format", "--check", "."),
    "lint": _module("ruff", "check", "."),
    "types": _module("mypy"),
    "arrows": _arrows,
    "locks": _locks,
    "migrations": _manage("makemigrations", "--check", "--dry-run"),
    "openapi": _openapi,
    "deploy": _manage("check", "--deploy", "--fail-level", "WARNING"),
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
