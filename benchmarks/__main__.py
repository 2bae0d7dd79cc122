"""`make bench`: each path beside its physical limit, measured in the same run.

Figures are ratios, since a machine that is slow today is slow for both. Durability stays on.
"""

import argparse
import sys

from benchmarks import backlog, bulk, codes, coupons, discounts, single, stats
from benchmarks.report import Row, table
from benchmarks.world import World

BENCHMARKS = {
    "bulk": bulk.run,
    "single": single.run_cpu,
    "delay": single.run_delay,
    "backlog": backlog.run,
    "stats": stats.run,
    "grant": discounts.run_grant,
    "service": discounts.run_service,
    "apply": discounts.run_apply,
    "keyed": discounts.run_keyed,
    "available": discounts.run_available,
    "assign": coupons.run_assign,
    "redeem": coupons.run_redeem,
    "generate": codes.run_generate,
    "distribute": codes.run_distribute,
    "page": codes.run_page,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all if none")
    parser.add_argument("--passes", type=int, default=3, help="the median is shown (3)")
    parser.add_argument(
        "--events", type=int, default=100_000, help="events a pass, a tenth of the backlog (100000)"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    with World() as world:
        for name in options.names or BENCHMARKS:
            rows += BENCHMARKS[name](world, passes=options.passes, events=options.events)
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
