"""Ties between a process and the one that started it."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Loaded here: a child between fork and exec must not import anything.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_kept: list[subprocess.Popen[bytes]] = []


def die_with_parent(signal_number: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the child gets this signal when its parent dies, even by kill -9.

    Linux only; elsewhere the next start finds and stops what was left.
    """
    parent = os.getpid()

    def tie() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # it died before the tie was made
            os.kill(os.getpid(), signal_number)

    return tie


def keep(process: subprocess.Popen[bytes]) -> None:
    """Remember a started server until this process ends, so that its end is noticed."""
    _kept.append(process)


def is_alive(pid: int) -> bool:
    """Whether a process runs under this id. One that ended but was not yet reaped does not."""
    for process in _kept:
        process.poll()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def program_of(pid: int) -> str:
    """The name of the program a process runs, "" when there is no such process."""
    comm = Path(f"/proc/{pid}/comm")
    if comm.exists():
        return comm.read_text().strip()
    command = ["ps", "-o", "comm=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()).name


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again every few milliseconds; False when it is still not so after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _state(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name in brackets may hold anything, brackets included; the state follows the last one.
    return text.rpartition(")")[2].split()[0]
