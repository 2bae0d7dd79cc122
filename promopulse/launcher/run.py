"""`make run`: everything PromoPulse needs, in the foreground, from nothing."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promopulse.environment import PROJECT
from promopulse.launcher import health, processes, services, steps
from promopulse.launcher.banner import banner
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.folders import make_home
from promopulse.launcher.instance import Instance, refuse_taken_port
from promopulse.launcher.lifetime import die_with_parent
from promopulse.launcher.supervisor import Interrupts, Program, Supervisor


class Interrupted(Exception):
    """Someone asked us to stop before everything was started."""


def run(home: Path) -> None:
    """Start everything and stay until interrupted; then leave nothing running.

    Raises LauncherError when something cannot start; what was started is stopped again.
    """
    interrupts = Interrupts()
    make_home(home)
    instance = Instance(home, processes.port())
    try:
        refuse_taken_port(processes.host(), processes.port())
        try:
            _start_and_watch(home, instance, interrupts)
        finally:
            services.stop(home)
        print(f"Stopped. The data stays in {home}.", flush=True)
    except Interrupted:
        pass
    finally:
        instance.release()


def _start_and_watch(home: Path, instance: Instance, interrupts: Interrupts) -> None:
    began_at = time.monotonic()
    demo, first_event = steps.wants_demo(), None
    with _step("database and broker", interrupts):
        os.environ |= steps.prepare_environment(home, services.start(home))
    with _step("migrations", interrupts):
        _finish(processes.manage("migrate", "--no-input"), interrupts)
    with _step("static files", interrupts):
        steps.collect_static(home, lambda command: _finish(command, interrupts))
    if demo:
        with _step("demo world", interrupts):
            first_event = _first_event(_finish(processes.manage("demo", "--json"), interrupts))
    os.environ |= steps.metrics_folder(home, fresh=True)
    # Celery's attempt to end well comes to nothing once nobody reads its output: it stays.
    programs = [
        Program("web", processes.web()),
        Program("worker", processes.worker(), orphaned=signal.SIGKILL),
        Program("beat", processes.beat(home), orphaned=signal.SIGKILL),
    ]
    starting_at = time.monotonic()

    def announce() -> None:
        _report("web, worker and beat", starting_at)
        seconds = time.monotonic() - began_at
        print(banner(seconds=seconds, demo=demo, first_event=first_event), flush=True)

    Supervisor(programs, interrupts, on_change=instance.record).run(health.web_is_ready, announce)


@contextmanager
def _step(name: str, interrupts: Interrupts) -> Iterator[None]:
    started_at = time.monotonic()
    yield
    if interrupts.count:
        raise Interrupted
    _report(name, started_at)


def _report(name: str, started_at: float) -> None:
    print(f"  {name:<22}{time.monotonic() - started_at:6.1f} s", flush=True)


def _finish(command: list[str], interrupts: Interrupts) -> str:
    """Run a command to its end and return its output.

    Raises LauncherError, with all it said, when it fails, and Interrupted when we are to stop.
    """
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    while True:
        try:
            output, errors = process.communicate(timeout=0.1)
            break
        except subprocess.TimeoutExpired:
            if interrupts.count:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise Interrupted from None
    if process.returncode:
        raise LauncherError(f"`{' '.join(command[1:])}` failed:\n{output}{errors}".rstrip())
    return output


def _first_event(output: str) -> dict[str, int] | None:
    """Whose event the banner shows how to send, as `manage.py demo --json` names them."""
    event: dict[str, int] | None = json.loads(output or "{}").get("first_event")
    return event
