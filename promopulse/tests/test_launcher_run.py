"""`python -m promopulse.launcher run`: the whole instance, started, refused, killed, stopped."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from promopulse.environment import PROJECT
from promopulse.launcher import __main__ as launcher
from promopulse.launcher import secrets, services
from promopulse.launcher.banner import banner
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.instance import Instance, refuse_taken_port, stop_running
from promopulse.launcher.lifetime import wait_until

START_SECONDS = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """One `run` and what it has printed."""

    def __init__(self, home: Path, port: int) -> None:
        unset = {*services.URLS, *secrets.NAMES, "DJANGO_SETTINGS_MODULE", "BROKER_URL"}
        variables = {name: value for name, value in os.environ.items() if name not in unset}
        variables |= {"PROMOPULSE_HOME": str(home), "PORT": str(port), "DEMO": "0"}
        self.home, self.port = home, port
        self.output = home.parent / "output"
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "promopulse.launcher", "run"],
                cwd=PROJECT,
                env=variables,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        def ready_or_over() -> bool:
            return "PromoPulse is ready" in self.said() or self.process.poll() is not None

        assert wait_until(ready_or_over, seconds=START_SECONDS), self.said()
        assert self.process.poll() is None, self.said()

    def status_of(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status

    def refused(self) -> str:
        assert self.process.wait(timeout=30) == 1
        return self.said()

    def processes(self) -> list[str]:
        """The command lines of all that runs from this home."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                texts = [(folder / name).read_bytes() for name in ("cmdline", "environ")]
            except OSError:
                continue
            home = os.fsencode(self.home)
            if home in texts[0] or b"PROMOPULSE_HOME=" + home in texts[1].split(b"\0"):
                found.append(texts[0].replace(b"\0", b" ").decode(errors="replace"))
        return found


@pytest.fixture(scope="module")
def home():
    folder = Path(tempfile.mkdtemp(prefix="promopulse tests "))
    folder.chmod(0o755)
    home = folder / "my home"
    yield home
    stop_running(home)
    services.stop(home)
    shutil.rmtree(folder)


@pytest.fixture
def run(home):
    started = []

    def start(in_home: Path = home, *, port: int | None = None) -> Running:
        started.append(Running(in_home, port or free_port()))
        return started[-1]

    yield start
    for one in started:
        one.process.terminate()
        one.process.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_serves_refuses_a_second_one_and_leaves_nothing_behind(run, tmp_path):
    running = run()
    running.wait_until_ready()
    assert running.status_of("/health/ready") == 200
    kept = running.said()

    tmp_path.joinpath("other").mkdir()
    assert f"Port {running.port}" in run(tmp_path / "other" / "home", port=running.port).refused()
    assert not (tmp_path / "other" / "home" / "pgdata").exists()
    assert "already runs from" in run().refused()

    assert running.status_of("/health/ready") == 200
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=60) == 0, kept
    assert running.said().endswith(f"Stopped. The data stays in {running.home}.\n")
    assert running.processes() == []


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_after_a_kill_nothing_of_it_serves_and_the_next_run_does(run):
    first = run()
    first.wait_until_ready()
    first.process.kill()
    first.process.wait()
    assert wait_until(
        lambda: not any("granian" in line or "celery" in line for line in first.processes()),
        seconds=20,
    ), first.processes()

    second = run(port=first.port)
    second.wait_until_ready()
    assert second.status_of("/health/ready") == 200

    assert stop_running(second.home)
    assert second.process.wait(timeout=60) == 0


def test_one_supervisor_a_home(tmp_path):
    first = Instance(tmp_path, 8000)
    with pytest.raises(LauncherError, match=rf"process {os.getpid()}, port 8000"):
        Instance(tmp_path, 8001)
    first.release()
    Instance(tmp_path, 8001).release()


def test_stop_without_a_supervisor_has_nothing_to_do(tmp_path):
    assert not stop_running(tmp_path)
    Instance(tmp_path, 8000).release()
    assert not stop_running(tmp_path)


def test_a_taken_port_is_said_in_one_sentence():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LauncherError, match=f"Port {port} on 127.0.0.1 cannot be used"):
            refuse_taken_port("127.0.0.1", port)
    refuse_taken_port("127.0.0.1", port)


def test_a_process_without_its_configuration_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROMOPULSE_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("SECRET_KEY")
    assert launcher.main(["web"]) == 1
    assert "Not set: DATABASE_URL, SECRET_KEY" in capsys.readouterr().err


def test_an_unknown_command_shows_the_known_ones(capsys):
    assert launcher.main(["fly"]) == 2
    assert "run,services,stop,migrate,web,worker,beat" in capsys.readouterr().err


def test_a_number_that_is_none_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROMOPULSE_HOME", str(tmp_path))
    monkeypatch.setenv("WEB_WORKERS", "many")
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("must not start"))
    assert launcher.main(["web"]) == 1
    assert "WEB_WORKERS must be a whole number, not 'many'" in capsys.readouterr().err


def test_the_banner_shows_an_event_to_send(monkeypatch):
    monkeypatch.setenv("DEMO_API_KEY", "pp_key")
    monkeypatch.setenv("PORT", "8123")
    shown = banner(seconds=3, demo=True, first_event={"promotion_id": 7, "user_id": 9})
    assert "http://localhost:8123/docs" in shown
    assert "Authorization: Api-Key pp_key" in shown
    assert '{"event_id": "hello-1", "type": "CLICK", "promotion_id": 7, "user_id": 9}' in shown
    assert "admin@example.com   admin123" in shown


def test_the_banner_of_an_empty_world_names_no_accounts():
    shown = banner(seconds=3, demo=False, first_event=None)
    assert "curl" not in shown
    assert "admin123" not in shown
