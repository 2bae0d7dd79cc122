"""The supervisor with small stand-ins for children, in a process of its own."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from promopulse.environment import PROJECT
from promopulse.launcher.lifetime import is_alive, wait_until

STAND_IN = """
import json, os, signal, subprocess, sys, time
print("pid", os.getpid(), flush=True)
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in sys.argv:
    print("pid", subprocess.Popen(["sleep", "60"]).pid, flush=True)
while "talks" in sys.argv:
    print("and so on", flush=True)
    time.sleep(0.05)
if "dies" not in sys.argv:
    time.sleep(60)
"""

MAIN = """
import sys
from promopulse.launcher.errors import LauncherError
from promopulse.launcher.supervisor import Interrupts, Program, Supervisor

programs = [
    Program(word.split(":")[0], [sys.executable, "-c", {stand_in!r}, *word.split(":")[1:]])
    for word in sys.argv[1:]
]
try:
    supervisor = Supervisor(programs, Interrupts())
    supervisor.run(lambda: {ready}, lambda: print("all | ready", flush=True))
except LauncherError as error:
    sys.exit(str(error))
print("all | stopped", flush=True)
"""


class Supervised:
    """A running supervisor and what it has printed."""

    def __init__(self, output: Path, *children: str, ready: bool = True) -> None:
        self.output = output
        code = textwrap.dedent(MAIN).format(stand_in=STAND_IN, ready=ready)
        with output.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *children],
                cwd=PROJECT,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    def pids(self) -> list[int]:
        return [int(line.split()[-1]) for line in self.lines() if "| pid " in line]

    def wait_for(self, count: int) -> list[int]:
        assert wait_until(lambda: len(self.pids()) >= count, seconds=20), self.lines()
        return self.pids()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@pytest.fixture
def supervised(tmp_path):
    started = []

    def start(*children: str, ready: bool = True) -> Supervised:
        started.append(Supervised(tmp_path / "output", *children, ready=ready))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_child_and_its_children(supervised, number):
    running = supervised("web:parent", "beat")
    pids = running.wait_for(3)
    assert running.end(number) == 0
    assert not any(map(is_alive, pids))
    assert "all | ready" in running.lines()
    assert running.lines()[-1] == "all | stopped"


def test_output_carries_the_name_of_its_child(supervised):
    running = supervised("web", "worker")
    running.wait_for(2)
    running.end(signal.SIGINT)
    assert sorted(line.split("| pid")[0] for line in running.lines() if "| pid" in line) == [
        "web    ",
        "worker ",
    ]


def test_a_dead_child_is_started_again_after_a_pause(supervised):
    running = supervised("web", "worker")
    first = running.wait_for(2)
    killed_at = time.monotonic()
    os.kill(first[0], signal.SIGKILL)
    pids = running.wait_for(3)
    assert time.monotonic() - killed_at >= 0.9
    assert is_alive(pids[2])
    assert is_alive(first[1]), "the other child must be left alone"
    assert any("ended with -9; starting again in 1 s" in line for line in running.lines())
    running.end(signal.SIGINT)
    assert not any(map(is_alive, pids))


def test_what_a_dead_child_leaves_behind_is_ended_with_it(supervised):
    running = supervised("web:parent")
    child, grandchild = running.wait_for(2)
    os.kill(child, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(grandchild), seconds=10)
    running.end(signal.SIGINT)


def test_a_child_that_keeps_dying_at_the_start_is_given_up(supervised):
    running = supervised("web", "worker:dies", ready=False)
    assert running.process.wait(timeout=30) == 1
    assert "worker ended 3 times before everything was ready" in running.output.read_text()
    assert not any(map(is_alive, running.pids()))


def test_a_second_interrupt_does_not_wait_for_a_deaf_child(supervised):
    running = supervised("web:deaf")
    pids = running.wait_for(1)
    time.sleep(0.3)  # let it become deaf
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert is_alive(pids[0]), "the first interrupt must give it time"
    began_at = time.monotonic()
    running.end(signal.SIGINT)
    assert time.monotonic() - began_at < 5
    assert not is_alive(pids[0])


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_a_killed_supervisor_takes_its_children_along(supervised):
    running = supervised("web", "worker")
    pids = running.wait_for(2)
    running.end(signal.SIGKILL)
    assert wait_until(lambda: not any(map(is_alive, pids)), seconds=10)


def test_a_reader_that_goes_away_stops_it():
    code = textwrap.dedent(MAIN).format(stand_in=STAND_IN, ready=False)
    process = subprocess.Popen(
        [sys.executable, "-c", code, "web:talks"], cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline().split()[-1])
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert not is_alive(pid)
