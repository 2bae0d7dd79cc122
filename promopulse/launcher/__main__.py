"""`python -m promopulse.launcher COMMAND`: see `COMMANDS`."""

import os
import subprocess
import sys
from collections.abc import Callable

from promopulse import environment
from promopulse.launcher import health, processes, secrets, services, steps
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.folders import make_home
from promopulse.launcher.instance import stop_running
from promopulse.launcher.run import run


def main(arguments: list[str]) -> int:
    command = COMMANDS.get(arguments[0]) if len(arguments) == 1 else None
    if command is None:
        print(f"usage: python -m promopulse.launcher {{{','.join(COMMANDS)}}}", file=sys.stderr)
        return 2
    try:
        environment.overlay(environment.hand_written_file())
        return command() or 0
    except (LauncherError, ValueError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.strerror}: {error.filename}", file=sys.stderr)
    return 1


def run_all() -> None:
    """Everything, in the foreground."""
    run(environment.home())


def start_services() -> None:
    """The embedded database and broker, left running; prints how to reach them."""
    home = environment.home()
    urls = services.start(home)
    steps.prepare_environment(home, urls)
    print(environment.render(urls), end="")


def stop() -> None:
    """Whatever runs from this home."""
    home = environment.home()
    stop_running(home)
    services.stop(home)
    print(f"Nothing runs from {home} now.", file=sys.stderr)


def migrate() -> None:
    """The one-shot step before the processes: secrets, tables, static files, the demo if wanted."""
    home = environment.home()
    make_home(home)
    steps.prepare_environment(home, {})
    _configure()
    _run(processes.manage("migrate", "--no-input"))
    steps.collect_static(home, _run)
    if steps.wants_demo():
        _run(processes.manage("demo"))


def web() -> None:
    _become(processes.web)


def worker() -> None:
    _become(processes.worker)


def beat() -> None:
    _become(lambda: processes.beat(environment.home()))


def healthy_web() -> int:
    return 0 if health.web_is_ready() else 1


def healthy_worker() -> int:
    environment.load()
    return 0 if health.worker_is_well() else 1


def healthy_beat() -> int:
    return 0 if health.beat_is_well(environment.home()) else 1


COMMANDS: dict[str, Callable[[], int | None]] = {
    "run": run_all,
    "services": start_services,
    "stop": stop,
    "migrate": migrate,
    "web": web,
    "worker": worker,
    "beat": beat,
    "healthy-web": healthy_web,
    "healthy-worker": healthy_worker,
    "healthy-beat": healthy_beat,
}


def _become(command: Callable[[], list[str]]) -> None:
    """Turn this process into another: a container's signals then reach the right one."""
    _configure()
    for name, value in steps.metrics_folder(environment.home()).items():
        os.environ.setdefault(name, value)
    os.chdir(environment.PROJECT)
    line = command()
    os.execv(line[0], line)  # noqa: S606


def _configure() -> None:
    """Raises LauncherError when a URL or a secret is neither given nor noted in the home."""
    environment.load()
    missing = [name for name in (*services.URLS, *secrets.NAMES) if not os.environ.get(name)]
    if missing:
        raise LauncherError(
            f"Not set: {', '.join(missing)}. Set them, or run `python -m promopulse.launcher "
            f"migrate` first with this PROMOPULSE_HOME ({environment.home()})."
        )


def _run(command: list[str]) -> None:
    if subprocess.run(command, cwd=environment.PROJECT, check=False).returncode:
        raise LauncherError(f"`{' '.join(command[1:])}` failed.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
