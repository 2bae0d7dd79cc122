"""A job killed midway, with real processes: taken up again to exactly its number."""

import os
import signal
import subprocess
import sys

import pytest

from promopulse.environment import PROJECT
from promopulse.tests.live import wait_for

TOTAL = 200_000

_BOOK = "from promotions.coupons.services.books import create_book; print(create_book(name='B').pk)"


@pytest.mark.faults
@pytest.mark.slow
def test_killed_midway_a_batch_is_finished_to_exactly_its_number(live):
    book = int(live.python(_BOOK))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "codes_generate", str(book), str(TOTAL)],
        cwd=PROJECT,
        env=live.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def done():
        rows = live.sql(f"SELECT done, status FROM coupons_codebatch WHERE book_id = {book}")
        return rows[0] if rows else (0, "")

    wait_for(lambda: done()[0] > 0, 60, "no chunk was made")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    made, status = done()
    assert status == "running"
    assert 0 < made < TOTAL
    live.start("worker")
    live.start("beat")
    try:
        wait_for(lambda: done() == (TOTAL, "done"), 120, "nobody took the batch up")
    finally:
        live.stop("beat")
        live.stop("worker")
    ((codes, keys),) = live.sql(
        f"SELECT count(*), count(DISTINCT code_key) FROM coupons_coupon WHERE book_id = {book}"
    )
    assert codes == keys == TOTAL
    assert live.manage("audit", check=False).returncode == 0
