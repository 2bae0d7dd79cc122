"""The whole instances of tests: nothing of one outlives its run, however that ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from promopulse.environment import PROJECT
from promopulse.launcher.lifetime import is_alive
from promopulse.tests.live import wait_for

pytestmark = pytest.mark.faults

_RUN = """
import json, sys, threading
from pathlib import Path
from promopulse.tests.live import Instance, wait_for

instance = Instance(Path(sys.argv[1]))
starter = threading.Thread(target=instance.start, args=["worker"])
starter.start()
starter.join()
wait_for(lambda: len(instance.children("worker")) > 1, 60, "the worker has no processes")
instance.start("beat")
instance.stop("beat")
database = int((instance.home / "pgdata" / "postmaster.pid").read_text().split()[0])
pids = [*instance.pids("worker"), *instance.children("worker"), database, instance.redis_pid()]
folders = [str((instance.home / name).readlink()) for name in ("pg", "valkey")]
print(json.dumps([pids, folders]), flush=True)
sys.stdin.read()
"""


def test_a_run_that_is_killed_leaves_no_process_and_no_folder(tmp_path):
    home = tmp_path / ("deep" * 25)  # too deep for sockets: they are elsewhere
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(home)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert run.stdout is not None
    pids, folders = json.loads(run.stdout.readline())
    assert len(pids) >= 5
    assert all(is_alive(pid) for pid in pids), "also after the thread that started them ended"
    assert all(Path(folder).is_dir() for folder in folders)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    wait_for(lambda: not any(map(is_alive, pids)), 30, "a process is left")
    wait_for(lambda: not any(map(os.path.exists, folders)), 30, "a folder is left")
