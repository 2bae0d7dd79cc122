"""Runs management commands for tests and gives all three things they answer."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management import call_command
from django.core.management.base import CommandError


class Done(NamedTuple):
    code: int
    data: Any
    words: str


def run(name: str, *arguments: Any) -> Done:
    """Run a command with `--json`."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(name, *map(str, arguments), "--json", stdout=out, stderr=err, no_color=True)
    except CommandError as error:
        code = error.returncode
        err.write(str(error))
    return Done(code, json.loads(out.getvalue() or "null"), err.getvalue())


def ndjson(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def bad_rows(path: Path) -> list[tuple[int, str]]:
    """(line, code) of a `--report` file."""
    return [(row["line"], row["code"]) for row in map(json.loads, path.read_text().splitlines())]
