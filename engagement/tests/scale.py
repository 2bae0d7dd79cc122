"""How hard the tests of faults try: a part of it in every run, the whole with `make faults`."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The figures that differ; the tests are the same."""

    timeout: int  # PROCESSING_TIMEOUT_SECONDS; rows of a dead worker wait five seconds longer
    killed_events: int  # sent while processes are killed at random
    kills: int
    outage: float  # seconds that a server is in trouble
    events: int  # of which `bad` fail
    bad: int
    all_bad: int  # events that all fail
    backlog: int  # events that wait for a worker


SCALES = {
    "part": Scale(3, 1_200, 4, 8, 4_000, 200, 1_000, 10_000),
    "whole": Scale(10, 20_000, 25, 60, 100_000, 1_000, 10_000, 200_000),
}
SCALE = SCALES[os.environ.get("FAULTS", "part")]
