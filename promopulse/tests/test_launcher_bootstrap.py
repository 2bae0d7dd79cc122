"""The virtual environment: made when missing or broken, filled when the lock file changes."""

import sys
import venv
from pathlib import Path

import pytest

from promopulse.launcher import bootstrap


class Project:
    """A project of its own, in a path with a space, where installing is only noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / ".venv" / "bin" / "python"
        self.installed: list[str] = []
        self.install_works = True

    def install(self, lock: str) -> bool:
        self.installed.append(lock)
        return self.install_works


@pytest.fixture
def project(tmp_path, monkeypatch):
    project = Project(tmp_path / "a project")
    project.folder.mkdir()
    (project.folder / "requirements.lock").write_text("django==5.2\n")
    (project.folder / "requirements-dev.lock").write_text("django==5.2\npytest==9\n")
    monkeypatch.setattr(bootstrap, "PROJECT", str(project.folder))
    monkeypatch.setattr(bootstrap, "VENV", str(project.folder / ".venv"))
    monkeypatch.setattr(bootstrap, "PYTHON", str(project.python))
    monkeypatch.setattr(bootstrap, "_install", project.install)
    # Putting pip there takes three seconds.
    with_pip = venv.create
    monkeypatch.setattr(
        venv, "create", lambda folder, **options: with_pip(folder, **options | {"with_pip": False})
    )
    return project


def test_it_is_made_once_and_filled_again_when_the_lock_changes(project):
    assert bootstrap.main([]) == 0
    assert project.python.exists()
    assert bootstrap.main([]) == 0
    assert project.installed == ["requirements.lock"]

    (project.folder / "requirements.lock").write_text("django==5.3\n")
    assert bootstrap.main([]) == 0
    assert project.installed == ["requirements.lock"] * 2


def test_uv_trusts_what_the_machine_trusts(monkeypatch):
    monkeypatch.delenv("UV_SYSTEM_CERTS", raising=False)
    calls = []
    monkeypatch.setattr(
        bootstrap.subprocess, "call", lambda command, **more: calls.append((command, more)) or 0
    )
    assert bootstrap._install("requirements.lock")
    command, more = calls[-1]
    assert "uv" in command
    assert more["env"]["UV_SYSTEM_CERTS"] == "true"


def test_tests_need_more_than_a_run_does(project):
    bootstrap.main([])
    bootstrap.main(["--dev"])
    bootstrap.main([])
    assert project.installed == ["requirements.lock", "requirements-dev.lock"]


def test_a_broken_one_is_made_again(project):
    bootstrap.main([])
    project.python.unlink()
    project.python.symlink_to("/gone/with/the/old/system/python")
    assert bootstrap.main([]) == 0
    assert project.python.exists()
    assert project.installed == ["requirements.lock"] * 2


def test_a_failed_installation_is_tried_again_next_time(project):
    project.install_works = False
    assert "Run the same command again" in str(bootstrap.main([]))
    project.install_works = True
    assert bootstrap.main([]) == 0
    assert project.installed == ["requirements.lock"] * 2


def test_an_old_python_is_told_so(project, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 0))
    assert "needs Python 3.11 or newer" in str(bootstrap.main([]))
    assert not project.python.exists()


def test_a_missing_venv_module_is_told_with_its_cure(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "apt install python3-venv" in str(bootstrap.main([]))
    assert project.installed == []
