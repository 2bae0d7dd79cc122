"""Rules the database itself keeps, also against raw SQL: moves, limits, counters, uses.

A refusal that people meet carries its problem code (`promopulse.lib.refusals`); what no door asks
for is a check violation with a constraint's name. `coupons_clock` is a function of the migration:
the one clock by which deadlines are judged.
"""

from promotions.coupons.triggers.books import (
    batch_follows_its_codes,
    book_keeps_its_word,
    distribution_stays,
)
from promotions.coupons.triggers.common import PLACE_BITS, follows_rows, kept
from promotions.coupons.triggers.moves import (
    counts_follow_coupons,
    coupon_is_fixed,
    coupon_moves,
    coupons_begin_free,
)
from promotions.coupons.triggers.uses import (
    redemption_commits_in_time,
    redemption_stays,
    redemption_takes,
    reversal_gives_back,
)

__all__ = [
    "PLACE_BITS",
    "batch_follows_its_codes",
    "book_keeps_its_word",
    "counts_follow_coupons",
    "coupon_is_fixed",
    "coupon_moves",
    "coupons_begin_free",
    "distribution_stays",
    "follows_rows",
    "kept",
    "redemption_commits_in_time",
    "redemption_stays",
    "redemption_takes",
    "reversal_gives_back",
]
