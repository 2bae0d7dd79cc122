"""The browser of the tests: a Chromium that is installed, or Debian's, installed now."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")

# Without these it looks its maker's servers up at every start.
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Missing(Exception):
    """There is no Chromium and none can be installed here; the words say why."""


def path() -> str:
    """Where Chromium is; it is installed where that is possible. Raises Missing."""
    found = _found()
    if found is None:
        _install()
        found = _found()
    if found is None:
        raise Missing("apt-get installed no Chromium")
    return found


@contextmanager
def launched() -> Iterator[Any]:
    """The browser, driven. Raises Missing."""
    from playwright.sync_api import sync_playwright

    executable = path()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=_arguments(), chromium_sandbox=False
        )
        yield browser
        browser.close()


def _arguments() -> list[str]:
    """How to start it. Its sandbox needs a user that is not root."""
    return ["--no-sandbox", *QUIET] if os.geteuid() == 0 else QUIET


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


def _install() -> None:
    apt = shutil.which("apt-get")
    if apt is None:
        raise Missing("no Chromium: install one")
    command = [apt]
    if os.geteuid() != 0:
        command = ["sudo", "--non-interactive", apt]
        if shutil.which("sudo") is None:
            raise Missing("no Chromium: `apt-get install chromium` as root")
    # The fonts are those of the screenshots.
    packages = ["chromium", "fonts-dejavu-core"]
    install = ["install", "--yes", "--quiet", "--no-install-recommends", *packages]
    for arguments in (["update", "--quiet"], install):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"no Chromium, and apt-get cannot install it: {done.stderr.strip()}")
