"""Rows brought in line with what they read as already: lapsed locks, ended books.

Correctness never waits for this. Rows that somebody holds are left for the next time.
"""

from promopulse.lib.sql import fetch_all

CHUNK = 5_000

_LAPSED = """
SELECT count(*) FROM (
    SELECT 1 FROM coupons_coupon WHERE state = 'LOCKED' AND locked_until <= coupons_clock()
) lapsed
"""
_RELEASE = """
UPDATE coupons_coupon SET state = 'ASSIGNED', locked_until = NULL, lock_token_hash = NULL
WHERE id IN (
    SELECT id FROM coupons_coupon WHERE state = 'LOCKED' AND locked_until <= coupons_clock()
    ORDER BY locked_until LIMIT %(chunk)s FOR NO KEY UPDATE SKIP LOCKED
) RETURNING id
"""
_ENDED = """
SELECT book.id FROM coupons_couponbook book
WHERE book.expires_at <= coupons_clock() AND EXISTS (
    SELECT 1 FROM coupons_booktally tally WHERE tally.book_id = book.id
    GROUP BY tally.book_id HAVING sum(unassigned + assigned + locked) > 0)
ORDER BY book.id
"""
_EXPIRE = """
UPDATE coupons_coupon SET state = 'EXPIRED', locked_until = NULL, lock_token_hash = NULL
WHERE id IN (
    SELECT id FROM coupons_coupon
    WHERE book_id = %(book)s AND id > %(after)s
        AND state IN ('UNASSIGNED', 'ASSIGNED', 'LOCKED')
    ORDER BY id LIMIT %(chunk)s FOR NO KEY UPDATE SKIP LOCKED
) RETURNING id
"""


def count_lapsed() -> int:
    """Locks that have lapsed and are not tidied yet."""
    ((count,),) = fetch_all(_LAPSED, {})
    return int(count)


def release_lapsed_locks() -> int:
    """Make lapsed locks what they read as; gives how many."""
    released = 0
    while found := fetch_all(_RELEASE, {"chunk": CHUNK}):
        released += len(found)
    return released


def expire_ended_books() -> int:
    """Make the open coupons of ended books what they read as; gives how many."""
    expired = 0
    for (book_id,) in fetch_all(_ENDED, {}):
        last = 0
        while found := fetch_all(_EXPIRE, {"book": book_id, "after": last, "chunk": CHUNK}):
            expired += len(found)
            last = max(row for (row,) in found)
    return expired
