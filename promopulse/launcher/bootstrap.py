"""Makes the virtual environment: `python3 -m promopulse.launcher.bootstrap [--dev]`.

Runs under the system's Python before anything is installed: standard library only, and plain enough
for an old Python to read, so that it can say it is too old. Does nothing when the environment
already holds what the lock file says.
"""

import hashlib
import os
import subprocess
import sys
import time

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(PROJECT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
OLDEST = (3, 11)
UV = "uv==0.13.9"


def main(arguments):
    if sys.version_info < OLDEST:
        return (
            f"PromoPulse needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and {sys.executable} is "
            f"{sys.version.split()[0]}. If you have a newer one: make PYTHON=/path/to/it"
        )
    lock = "requirements-dev.lock" if "--dev" in arguments else "requirements.lock"
    fingerprint = _fingerprint(lock)
    if _works() and _installed(lock) == fingerprint:
        return 0
    _say(f"Installing what {lock} lists into .venv (once, and when the list changes) ...")
    started_at = time.time()
    if not _works():
        problem = _make_venv()
        if problem:
            return problem
    if not _install(lock):
        return "The installation failed; what is above says why. Run the same command again."
    with open(_stamp(lock), "w") as stamp:
        stamp.write(fingerprint)
    _say(f"Installed in {time.time() - started_at:.0f} s")
    return 0


def _works():
    """Whether the environment's Python runs: a moved folder or an upgraded system breaks it."""
    if not os.path.exists(PYTHON):
        return False
    return subprocess.call([PYTHON, "-c", "import sys"], stderr=subprocess.DEVNULL) == 0


def _make_venv():
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        return (
            f"{sys.executable} cannot make virtual environments: its venv module is missing. On "
            "Debian or Ubuntu: apt install python3-venv; elsewhere: Python from python.org."
        )
    venv.create(VENV, clear=True, with_pip=True, symlinks=True)
    return None


def _install(lock):
    """With uv, which is several times faster, if pip can get it; else with pip itself."""
    wanted = ["install", "--quiet", "--require-hashes", "-r", os.path.join(PROJECT, lock)]
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    get_uv = [*pip, "install", "--quiet", UV]
    if subprocess.call(get_uv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
        environment = dict(os.environ, UV_LINK_MODE="copy", VIRTUAL_ENV=VENV)
        # What the machine trusts: a network can have a certificate authority of its own.
        environment.setdefault("UV_SYSTEM_CERTS", "true")
        if not os.access(os.environ.get("HOME") or "/nowhere", os.W_OK):
            environment["UV_NO_CACHE"] = "1"
        if subprocess.call([PYTHON, "-m", "uv", "pip", *wanted], env=environment) == 0:
            return True
        _say("uv could not install it; trying pip")
    return subprocess.call([*pip, *wanted]) == 0


def _fingerprint(lock):
    with open(os.path.join(PROJECT, lock), "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def _stamp(lock):
    return os.path.join(VENV, lock + ".installed")


def _installed(lock):
    try:
        with open(_stamp(lock)) as stamp:
            return stamp.read()
    except OSError:
        return None


def _say(words):
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
