"""Starts the children, passes on what they say, starts a dead one again, stops them all."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

from promopulse.environment import PROJECT
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.lifetime import die_with_parent

STOP_SECONDS = 20.0
LONGEST_PAUSE = 30.0
# A child that lived this long was well: its next death is a first one again.
WELL_AFTER = 60.0
# So often may a child die before everything was ready once; then it is not a passing trouble.
DEATHS_BEFORE_READY = 3
# Often enough not to be waited for, seldom enough for the limit on health checks.
READY_ASKED_EVERY = 0.7


class Interrupts:
    """Ctrl-C, SIGTERM and a closed terminal: noted, to be looked at where stopping is safe."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.count = 0
        for number in self.SIGNALS:
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: object) -> None:
        self.count += 1


@dataclass(frozen=True)
class Program:
    """What to run, and the signal that ends it and its own children if we are killed."""

    name: str
    command: Sequence[str]
    orphaned: signal.Signals = signal.SIGTERM


class Child:
    """One program's process, through all its restarts."""

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self._program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.deaths_in_a_row = 0
        self.start_at = 0.0
        self.unfinished_line = b""

    def start(self) -> IO[bytes]:
        """Start it in a session of its own: a Ctrl-C in the terminal reaches only us."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self._program.command,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(self._program.orphaned),
        )
        return cast(IO[bytes], self.process.stdout)

    def note_death(self) -> None:
        if time.monotonic() - self.started_at > WELL_AFTER:
            self.deaths_in_a_row = 0
        self.deaths_in_a_row += 1
        pause = min(2.0 ** (self.deaths_in_a_row - 1), LONGEST_PAUSE)
        self.start_at = time.monotonic() + pause
        self.kill_group()
        self.process = None

    def kill_group(self) -> None:
        """End it and all it started."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """Runs the programs until it is interrupted."""

    def __init__(
        self,
        programs: Sequence[Program],
        interrupts: Interrupts,
        *,
        on_change: Callable[[dict[str, int]], None] = lambda pids: None,
    ) -> None:
        self.children = [Child(program) for program in programs]
        self._interrupts = interrupts
        self._on_change = on_change
        self._outputs = selectors.DefaultSelector()
        self._width = max(len(program.name) for program in programs)

    def run(self, is_ready: Callable[[], bool], announce: Callable[[], None]) -> None:
        """Keep the children alive; `announce` once, when `is_ready` first says so.

        Raises LauncherError when a child keeps dying before that.
        """
        ready, ask_at = False, 0.0
        try:
            while not self._interrupts.count:
                self._start_due()
                self._pass_on_output(seconds=0.2)
                self._note_deaths(give_up=not ready)
                if not ready and time.monotonic() >= ask_at:
                    ask_at = time.monotonic() + READY_ASKED_EVERY
                    if ready := is_ready():
                        announce()
        except BrokenPipeError:
            # Whoever read our output is gone, as after `make run | head`: so are we.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        finally:
            self._stop()

    def _start_due(self) -> None:
        changed = False
        for child in self.children:
            if child.process is None and time.monotonic() >= child.start_at:
                output = child.start()
                os.set_blocking(output.fileno(), False)
                self._outputs.register(output, selectors.EVENT_READ, child)
                changed = True
        if changed:
            self._on_change({c.name: c.process.pid for c in self.children if c.process})

    def _note_deaths(self, *, give_up: bool) -> None:
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            code = child.process.returncode
            self._pass_on_output(seconds=0)
            child.note_death()
            if give_up and child.deaths_in_a_row >= DEATHS_BEFORE_READY:
                raise LauncherError(
                    f"{child.name} ended {child.deaths_in_a_row} times before everything was "
                    "ready; its words above say why."
                )
            pause = child.start_at - time.monotonic()
            self._say(child, f"ended with {code}; starting again in {max(pause, 0):.0f} s")

    def _pass_on_output(self, *, seconds: float) -> None:
        for key, _ in self._outputs.select(seconds):
            output, child = cast(IO[bytes], key.fileobj), cast(Child, key.data)
            try:
                said = os.read(output.fileno(), 65536)
            except OSError:
                said = b""
            if not said:
                self._outputs.unregister(output)
                output.close()
            lines = (child.unfinished_line + said).split(b"\n")
            child.unfinished_line = lines.pop() if said else b""
            for line in lines:
                self._say(child, line.decode(errors="replace").rstrip())

    def _say(self, child: Child, words: str) -> None:
        if words:
            print(f"{child.name:<{self._width}} | {words}", flush=True)

    def _stop(self) -> None:
        """SIGTERM to all, time to finish, then SIGKILL; at once on a second interrupt."""
        alive = [child for child in self.children if child.process]
        for child in alive:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        asked = self._interrupts.count
        while alive and time.monotonic() < deadline and self._interrupts.count == asked:
            with suppress(BrokenPipeError):
                self._pass_on_output(seconds=0.05)
            alive = [c for c in alive if c.process is not None and c.process.poll() is None]
        for child in self.children:
            child.kill_group()
        self._outputs.close()
