"""Where configuration comes from, before Django: the process environment, then two files.

What is already in the environment always wins; an empty value counts as none. Then comes `.env` in
the project folder (written by people) and last `$PROMOPULSE_HOME/env` (written by the launcher), so
that `manage.py audit` typed by hand finds the secrets and the embedded servers of the running
instance.

Standard library only: the launcher and the test plugin import this before anything else exists.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def load() -> None:
    """Fill `os.environ` with what the two files say and the environment does not."""
    overlay(hand_written_file())
    overlay(home() / "env")


def home() -> Path:
    """The folder of this instance's data, secrets and logs; a relative one is the project's."""
    return PROJECT / Path(os.environ.get("PROMOPULSE_HOME") or ".promopulse").expanduser()


def hand_written_file() -> Path:
    """`.env`, unless PROMOPULSE_ENV_FILE names another file (`/dev/null`: none at all)."""
    return PROJECT / (os.environ.get("PROMOPULSE_ENV_FILE") or ".env")


def overlay(file: Path) -> None:
    """Add the file's variables that are not set yet. A file that is not there adds nothing.

    Raises ValueError for a line that says nothing.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        variables = parse(text)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    for name, value in variables.items():
        if not os.environ.get(name):
            os.environ[name] = value


def parse(text: str) -> dict[str, str]:
    """Read KEY=VALUE lines: `#` comments, an `export` prefix and quotes are understood.

    Raises ValueError for a line that is none of these, so that a typing error is not ignored.
    """
    variables: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.rstrip()
        if not equals or not name.isidentifier():
            raise ValueError(f"line {number} is not KEY=VALUE: {raw!r}")
        variables[name] = _unquoted(value.strip())
    return variables


def render(variables: dict[str, str]) -> str:
    """The text `parse` reads back as the same variables."""
    return "".join(f'{name}="{value}"\n' for name, value in sorted(variables.items()))


def _unquoted(value: str) -> str:
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        if end > 0:
            return value[1:end]
    return value.split(" #", 1)[0].rstrip()
