"""A whole instance for tests: its own durable servers, web, worker and beat as real processes."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from promopulse.environment import PROJECT
from promopulse.launcher import postgres, processes, secrets, services, valkey
from promopulse.launcher.lifetime import is_alive
from promopulse.tests.heir import Heir

# Far more than it takes: the machine may be busy with other things.
START_SECONDS = 120
API_KEY = "pp_live00000000_" + "k" * 43


class Instance:
    """One PromoPulse under `home`. Start what a test needs; `close` ends everything."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._heir = Heir(home)
        self.port = free_port()
        self._mark = home / "crashed"
        self._next = home / "crash-next"
        given = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "REDIS_URL", "PROMOPULSE_HOME")
        }
        with _without("DATABASE_URL", "REDIS_URL"):
            made = services.start(home, durable=True, tied=True) | secrets.ensure(home)
        self.env = {**given, **made, "PROMOPULSE_HOME": str(home)}
        self.env |= {"PORT": str(self.port), "PROMOPULSE_ENV_FILE": os.devnull}

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command; its output as text."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.env,
            capture_output=True,
            text=True,
            check=check,
        )

    def make_key(self, text: str = API_KEY, *scopes: str) -> None:
        """Make a key known to the instance; with every scope unless some are named."""
        self.python(
            "from accounts.keys import create_key; from accounts.roles import Scope; "
            f"create_key(name='live', scopes={list(scopes)} or list(Scope.values), text={text!r})"
        )

    def python(self, code: str) -> str:
        """Run code in the instance's Django; what it prints."""
        return self.manage("shell", "--no-imports", "-v", "0", "-c", code).stdout

    def start(self, name: str, *, crash_at: str = "", victim: str = "child") -> None:
        """Start `web`, `worker` or `beat`; its log goes to a file in the home folder.

        `crash_at` is a `module:function` at which its processes kill themselves, or their "parent";
        of several with commas between them, that which `crash_next` names: then the web server is
        a small one that forks another process at once.
        """
        command = [sys.executable, "-m", "promopulse.launcher", name]
        self._mark.unlink(missing_ok=True)
        env = self.env | {"CRASH_AT": crash_at, "CRASH_MARK": str(self._mark)}
        env["CRASH_NEXT"] = str(self._next)
        if victim == "parent":
            env["CRASH_PARENT"] = "1"
        if "," in crash_at and name == "web":
            command = [sys.executable, "-m", "promopulse.tests.crash_forks", str(self.port)]
        elif crash_at and name == "web":
            command = [*processes.web()[:-1], "promopulse.tests.crash_web:application"]
            command[command.index("--port") + 1] = str(self.port)
        elif crash_at:
            celery = processes.worker()
            command = [sys.executable, "-m", "promopulse.tests.crash", crash_at]
            command += celery[celery.index("-A") :]
        log = (self.home / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            command, cwd=PROJECT, env=env, stdout=log, stderr=log, start_new_session=True
        )
        self._heir.told(self.processes[name].pid)
        if name == "web":
            # One that is killed while it starts never answers: whoever supervises starts another.
            web = self.processes[name]
            wait_for(
                lambda: web.poll() is not None or self._answers(),
                START_SECONDS,
                f"web does not answer: {self.log('web')}",
            )

    def ensure(self, *names: str) -> None:
        """Start those that do not run, and again those that have ended by themselves."""
        for name in names:
            process = self.processes.get(name)
            if process is not None and process.poll() is not None:
                self.kill(name)  # what it has started, too
            if name not in self.processes:
                self.start(name)

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Meanwhile what ends is started again at once, as the launcher's supervisor does."""
        stop = threading.Event()

        def supervise() -> None:
            while not stop.wait(0.1):
                self.ensure(*self.processes)

        thread = threading.Thread(target=supervise)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def crash_next(self, place: str) -> None:
        """Whoever comes next to this one of the places named at the start is killed there."""
        fresh = self._next.with_suffix(".new")
        fresh.write_text(place)
        fresh.replace(self._next)

    def crashes(self) -> int:
        """How often the process that was started last came to harm where it was said to."""
        return len(self._mark.read_text().splitlines()) if self._mark.exists() else 0

    def wait_for_crash(self) -> None:
        wait_for(lambda: self.crashes() > 0, START_SECONDS, "nobody came to where it is killed")

    def pids(self, name: str) -> list[int]:
        """The process, if it runs."""
        process = self.processes.get(name)
        return [process.pid] if process is not None and process.poll() is None else []

    def children(self, name: str) -> list[int]:
        """The processes it forked to do the work."""
        return [child for pid in self.pids(name) for child in _children(pid)]

    def kill(self, name: str) -> None:
        """SIGKILL the process and all it has started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._heir.told(process.pid)

    def stop(self, name: str) -> None:
        """Ask the process to end, wait until it has."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._heir.told(process.pid)

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")[-4_000:]

    def request(
        self, method: str, path: str, body: Any = None, *, key: str = API_KEY, timeout: float = 30
    ) -> tuple[int, Any]:
        """One HTTP request with the API key; status and decoded answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Api-Key {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the instance's database."""
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def redis(self, command: str) -> str | None:
        """One command to the instance's Valkey; its one-line answer, None when it is away."""
        return valkey.ask(self._socket(), command)

    def redis_pid(self) -> int:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket()))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)

    def _socket(self) -> Path:
        return (self.home / "valkey").resolve() / "valkey.sock"

    def start_redis(self) -> None:
        valkey.start(self.home, durable=True, tied=True)

    def lose_redis(self) -> None:
        """Kill Valkey and throw away all it knew."""
        os.kill(self.redis_pid(), signal.SIGKILL)
        wait_for(lambda: self.redis("PING") is None, 10, "Valkey did not die")
        shutil.rmtree(self.home / "valkey-data", ignore_errors=True)

    def start_postgres(self) -> None:
        postgres.start(self.home, durable=True, tied=True)

    def stop_postgres(self) -> None:
        """Disconnect everybody and end, as a restart by an operator does."""
        postgres.stop(self.home)

    def kill_postgres(self) -> None:
        """SIGKILL the postmaster and every one of its processes."""
        folder = Path(self.sql("SHOW data_directory")[0][0])
        pid = int((folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), 10, "PostgreSQL did not die")
        time.sleep(1)  # its children notice and end

    def waiting(self) -> int:
        """Inbox rows not yet processed."""
        return int(
            self.sql("SELECT count(*) FROM engagement_ingestbatch WHERE processed_at IS NULL")[0][0]
        )

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        services.stop(self.home)
        self._heir.dismiss()

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/health", timeout=5)[0] == 200
        except OSError:
            return False


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """The environment without these variables, which name the test run's own servers."""
    saved = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(saved)


def _children(pid: int) -> list[int]:
    """Its children that run the same kind of program; Python's own helpers are none of them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(after_name[1]) == pid and after_name[0] != "Z":
                words = (folder / "cmdline").read_bytes()
                if b"resource_tracker" not in words:
                    found.append(int(folder.name))
    return found


def resident(pid: int) -> int:
    """KiB of memory that a process holds; 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(condition: Callable[[], bool], seconds: float, words: str) -> None:
    """Wait until the condition holds. Raises AssertionError with `words` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, words
        time.sleep(0.1)
