"""Clients of the grant service, so many threads: `python -m benchmarks.granting THREADS`

Says "ready", then grants for so many seconds as each line of its input says, and prints how often.
"""

import os
import random
import sys
import threading
import time
from decimal import Decimal

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")

import django

django.setup()

from benchmarks.discounts import HOT  # noqa: E402  these need Django set up
from benchmarks.world import USERS  # noqa: E402
from promotions.discounts import services  # noqa: E402


def run(seconds: float, threads: int) -> int:
    """Grants made by all threads together until the time is over."""
    counts = [0] * threads
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        while time.monotonic() < until:
            services.grant(
                promotion_id=HOT, user_id=random.randint(1, USERS), cart_value=Decimal(100)
            )
            counts[number] += 1

    clients = [threading.Thread(target=client, args=(number,)) for number in range(threads)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return sum(counts)


if __name__ == "__main__":
    clients = int(sys.argv[1])
    run(0.1, clients)  # connections and plans
    print("ready", flush=True)
    for line in sys.stdin:
        print(run(float(line), clients), flush=True)
