"""Which supervisor runs a home: a lock held while it lives, and a note of what it started."""

import fcntl
import json
import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from promopulse.launcher.errors import LauncherError
from promopulse.launcher.lifetime import is_alive, wait_until

# What the processes of an earlier supervisor get to end by themselves, and `stop` to do its work.
LEFTOVER_SECONDS = 10.0
STOP_SECONDS = 90.0


class Instance:
    """The claim on a home. The kernel lets go of it however this process ends."""

    def __init__(self, home: Path, port: int) -> None:
        """Raises LauncherError when another supervisor runs this home."""
        self._file = (home / "supervisor.lock").open("a+")
        locked = _lock(self._file)
        other = _read(self._file)
        if not locked:
            raise LauncherError(
                f"PromoPulse already runs from {home} (process {other.get('pid', '?')}, port "
                f"{other.get('port', '?')}). Stop it first, or set PROMOPULSE_HOME and PORT to run "
                "a second one beside it."
            )
        self._note = {"pid": os.getpid(), "port": port}
        self.record(other.get("children", {}))
        _stop_leftovers(other)
        self.record({})

    def record(self, children: dict[str, int]) -> None:
        """Note the children's process ids, for the next start in case of a kill -9."""
        _write(self._file, self._note | {"children": children})

    def release(self) -> None:
        _write(self._file, {})
        self._file.close()


def stop_running(home: Path) -> bool:
    """Ask the supervisor of this home to stop and wait for it; False when there is none.

    Raises LauncherError when it does not stop.
    """
    try:
        file = (home / "supervisor.lock").open("r+")
    except FileNotFoundError:
        return False
    with file:
        if _lock(file):
            _stop_leftovers(_read(file))
            _write(file, {})
            return False
        pid = _read(file).get("pid")
        if pid and is_alive(pid):
            os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: _lock(file), seconds=STOP_SECONDS):
            raise LauncherError(f"Process {pid} did not stop within {STOP_SECONDS:.0f} seconds.")
    return True


def refuse_taken_port(host: str, port: int) -> None:
    """Raises LauncherError when something else listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise LauncherError(
                f"Port {port} on {host} cannot be used ({error.strerror}). "
                f"Choose another: make run PORT={port + 1 if port < 65535 else 8000}"
            ) from None


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        return dict(json.loads(file.read() or "{}"))
    except ValueError:
        return {}


def _write(file: IO[str], note: dict[str, Any]) -> None:
    file.seek(0)
    file.truncate()
    json.dump(note, file)
    file.flush()


def _stop_leftovers(note: dict[str, Any]) -> None:
    """End the children of a supervisor that was killed, if they have not noticed by themselves."""
    pids = [pid for pid in note.get("children", {}).values() if _is_ours(pid)]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: not any(map(is_alive, pids)), seconds=LEFTOVER_SECONDS):
        for pid in filter(is_alive, pids):
            os.killpg(pid, signal.SIGKILL)


def _is_ours(pid: int) -> bool:
    """By its command line: the id may be another program's by now."""
    if Path("/proc/self").exists():
        with suppress(OSError):
            return b"promopulse" in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False
    command = ["ps", "-o", "command=", "-p", str(pid)]
    return b"promopulse" in subprocess.run(command, capture_output=True, check=False).stdout
