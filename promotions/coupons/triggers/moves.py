"""Coupons: their beginning, their legal moves, and the counters that follow them."""

import pgtrigger

from promopulse.lib.refusals import refuse
from promotions.coupons.states import MOVES, State
from promotions.coupons.triggers.common import (
    PLACE_BITS,
    SEES_RULES,
    changed,
    rules_lock,
    rules_unseen,
    unlawful,
)

# Over so many rows the counts of a book are spread.
SHARDS = 64

# At least three characters; with a counted repetition this would cost ten times as much.
_CODE = "^[A-Z0-9._][A-Z0-9._][A-Z0-9._]+$"
_FREE = """state = 'UNASSIGNED' AND uses = 0 AND assigned_to_id IS NULL AND assigned_at IS NULL
                    AND distribution_id IS NULL AND locked_until IS NULL
                    AND lock_token_hash IS NULL AND redeemed_at IS NULL"""
# What a state says of the other columns. In triggers and not in a check, which the server would
# read anew for every statement: that costs more than the statement's own work on a row.
_AGREES = """
            CASE NEW.state
                WHEN 'ASSIGNED' THEN NEW.assigned_to_id IS NOT NULL
                WHEN 'LOCKED' THEN NEW.assigned_to_id IS NOT NULL
                WHEN 'UNASSIGNED' THEN NEW.assigned_to_id IS NULL AND NEW.distribution_id IS NULL
                ELSE NEW.state IN ('REDEEMED', 'EXPIRED')
            END
            AND (NEW.assigned_to_id IS NULL) = (NEW.assigned_at IS NULL)
            AND (NEW.state = 'LOCKED') = (NEW.locked_until IS NOT NULL)
            AND (NEW.state = 'LOCKED') = (NEW.lock_token_hash IS NOT NULL)
            AND (NEW.state = 'REDEEMED') = (NEW.redeemed_at IS NOT NULL)
            AND (NEW.state = 'REDEEMED') = (NEW.uses = NEW.max_redemptions)
            AND NEW.uses BETWEEN 0 AND NEW.max_redemptions"""

_MOVES = ", ".join(
    f"'{source}>{target}'"
    for source, targets in MOVES.items()
    for target in sorted(targets)
    if source != target
)
_COUNTS = {state: state.lower() for state in State.values}


def _tally(rows: str, columns: str = "") -> str:
    """Add `rows` (book_id, state, n) to this connection's part of the counts."""
    counts = ", ".join(_COUNTS.values())
    sums = ", ".join(f"COALESCE(sum(n) FILTER (WHERE state = '{state}'), 0)" for state in _COUNTS)
    added = ", ".join(f"{name} = tally.{name} + EXCLUDED.{name}" for name in _COUNTS.values())
    return f"""
        INSERT INTO coupons_booktally AS tally (book_id, shard, {counts})
        SELECT book_id, pg_backend_pid() % {SHARDS}, {sums}
        FROM ({rows}) changes{columns} GROUP BY book_id ORDER BY book_id
        ON CONFLICT (book_id, shard) DO UPDATE SET {added};
    """


coupons_begin_free = pgtrigger.Trigger(
    name="begin_free",
    level=pgtrigger.Statement,
    operation=pgtrigger.Insert,
    when=pgtrigger.After,
    referencing=pgtrigger.Referencing(new="made"),
    declare=[("part", "record")],
    func=f"""
        FOR part IN
            SELECT book_id, batch_id, max_redemptions, count(*) AS n,
                min(draw_key) AS first, max(draw_key) AS last,
                bool_and({_FREE}) AS are_free, bool_and(code_key ~ '{_CODE}') AS are_codes
            FROM made GROUP BY book_id, batch_id, max_redemptions ORDER BY batch_id
        LOOP
            IF NOT part.are_free THEN
                {unlawful("a coupon begins unassigned", "coupons_coupon_begins_free")}
            END IF;
            IF NOT part.are_codes THEN
                {unlawful("that is no code", "coupons_coupon_code_is_one")}
            END IF;
            UPDATE coupons_codebatch batch SET done = done + part.n,
                status = CASE WHEN done + part.n = total THEN 'done' ELSE status END,
                finished_at = CASE WHEN done + part.n = total THEN coupons_clock() END
            FROM coupons_couponbook book
            WHERE batch.id = part.batch_id AND batch.book_id = part.book_id
                AND batch.status = 'running' AND book.id = part.book_id
                AND batch.max_redemptions = part.max_redemptions
                AND part.first >= book.id << {PLACE_BITS}
                AND part.last < (book.id << {PLACE_BITS}) + book.places
                AND (part.max_redemptions = 1 OR book.allow_multi_redemption);
            IF NOT FOUND THEN
                {unlawful("a coupon comes by an open batch of its book", "coupons_coupon_batch")}
            END IF;
        END LOOP;
        {_tally("SELECT book_id, state, count(*) AS n FROM made GROUP BY book_id, state")}
        RETURN NULL;
    """,
)

_UNLOCKED = "NEW.locked_until IS NULL AND NEW.lock_token_hash IS NULL"
_FIXED = ("id", "book_id", "batch_id", "code", "max_redemptions", "draw_key")
# Asked only of a statement that names one of them: a gift or a use does not.
coupon_is_fixed = pgtrigger.Trigger(
    name="fixed",
    operation=pgtrigger.UpdateOf(*_FIXED),
    when=pgtrigger.Before,
    func=f"""
        IF {changed(*_FIXED)} THEN
            {unlawful("these stay", "coupons_coupon_fixed")}
        END IF;
        RETURN NEW;
    """,
)

# What an expression names is made ready anew in each transaction: the usual moves, a gift and the
# last use, come first and are asked the least. What `_AGREES` said of the row before holds for
# what stays. From a gift on the rules of its book stay: what counts it reads them in a statement
# of its own, after they were locked.
coupon_moves = pgtrigger.Trigger(
    name="moves",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    declare=[("book", "record")],
    func=f"""
        IF NEW.state = 'ASSIGNED' THEN
            IF OLD.state = 'UNASSIGNED' AND NEW.uses = OLD.uses
                    AND NEW.assigned_to_id IS NOT NULL AND NEW.assigned_at IS NOT NULL
                    AND {_UNLOCKED} AND NEW.redeemed_at IS NULL AND {SEES_RULES}
                    AND {rules_lock("NEW.book_id", shared=True)} IS NOT NULL THEN
                RETURN NEW;
            END IF;
        ELSIF NEW.state = 'REDEEMED' THEN
            IF OLD.state = 'ASSIGNED' AND NEW.uses = OLD.uses + 1 AND NEW.uses = NEW.max_redemptions
                    AND NEW.assigned_to_id = OLD.assigned_to_id
                    AND NEW.assigned_at = OLD.assigned_at
                    AND NEW.distribution_id IS NOT DISTINCT FROM OLD.distribution_id
                    AND {_UNLOCKED} AND NEW.redeemed_at IS NOT NULL AND pg_trigger_depth() > 1 THEN
                RETURN NEW;
            END IF;
        END IF;
        IF NEW.uses <> OLD.uses AND pg_trigger_depth() < 2 THEN
            {unlawful("uses follow redemptions", "coupons_coupon_unledgered")}
        END IF;
        IF NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN ({_MOVES}) THEN
            {unlawful("no such move of a coupon", "coupons_coupon_moves")}
        END IF;
        IF ({changed("assigned_to_id", "assigned_at", "distribution_id")})
                AND OLD.state || '>' || NEW.state
                    NOT IN ('UNASSIGNED>ASSIGNED', 'ASSIGNED>UNASSIGNED') THEN
            {unlawful("a coupon stays with its holder", "coupons_coupon_holder")}
        END IF;
        IF {changed("assigned_to_id")} AND NOT {SEES_RULES} THEN
            {rules_unseen()}
        END IF;
        IF NEW.state = 'UNASSIGNED' AND OLD.state = 'ASSIGNED' AND OLD.uses > 0 THEN
            {unlawful("a coupon in use is not taken back", "coupons_coupon_in_use")}
        END IF;
        IF NOT ({_AGREES}) THEN
            {unlawful("its columns agree with its state", "coupons_coupon_state_agrees")}
        END IF;
        IF NEW.state = 'LOCKED' AND ({changed("locked_until", "lock_token_hash")}) THEN
            IF OLD.state = 'LOCKED' AND OLD.locked_until > coupons_clock() THEN
                {refuse("coupon_already_locked")}
            END IF;
            SELECT expires_at, is_active INTO book FROM coupons_couponbook WHERE id = NEW.book_id;
            IF book.expires_at <= coupons_clock() THEN
                {refuse("coupon_expired")}
            END IF;
            IF NOT book.is_active THEN
                {refuse("book_inactive")}
            END IF;
        END IF;
        IF NEW.state = 'EXPIRED' AND OLD.state <> 'EXPIRED' AND NOT EXISTS (
                SELECT 1 FROM coupons_couponbook
                WHERE id = NEW.book_id AND expires_at <= coupons_clock()) THEN
            {unlawful("its book has not ended", "coupons_coupon_not_expired")}
        END IF;
        RETURN NEW;
    """,
)

_CHANGES = ", ".join(
    f"{name} = {name} + (new_state = '{state}')::integer - (was_state = '{state}')::integer"
    for state, name in _COUNTS.items()
)


def _tally_one(book: str, state: str, was: str) -> str:
    return _tally(
        f"VALUES ({book}, {state}, 1), ({book}, {was}, -1)", columns=" (book_id, state, n)"
    )


# The same as below for one coupon, in the fewest statements: most are given one by one. Scalars and
# not a record, which is made anew each time. A gift is a statement of its own, a use comes by the
# trigger of its redemption. What may not be given is refused below.
_ONE_GIVEN = f"""
        SELECT now.book_id, now.assigned_to_id, book.max_assignments_per_user
        INTO its_book, holder, most
        FROM before was, now
        JOIN coupons_couponbook book ON book.id = now.book_id
        JOIN accounts_user person ON person.id = now.assigned_to_id
        WHERE was.assigned_to_id IS NULL AND (SELECT true FROM now OFFSET 1 LIMIT 1) IS NULL
            AND book.is_active AND COALESCE(book.expires_at > coupons_clock(), true);
        IF FOUND THEN
            IF most IS NOT NULL THEN
                INSERT INTO coupons_bookuser AS held (book_id, user_id, assigned, redeemed)
                    VALUES (its_book, holder, 1, 0)
                    ON CONFLICT (book_id, user_id) DO UPDATE SET assigned = held.assigned + 1
                    RETURNING assigned INTO taken;
                IF taken > most THEN
                    {refuse("max_assignments_exceeded", used="taken - 1", limit="most")}
                END IF;
            END IF;
            UPDATE coupons_booktally SET unassigned = unassigned - 1, assigned = assigned + 1
                WHERE book_id = its_book AND shard = pg_backend_pid() % {SHARDS};
            IF NOT FOUND THEN
                {_tally_one("its_book", "'ASSIGNED'", "'UNASSIGNED'")}
            END IF;
            RETURN NULL;
        END IF;
"""
_ONE_MOVED = f"""
        SELECT now.book_id, was.state, now.state,
            (SELECT true FROM now OFFSET 1 LIMIT 1) IS NULL
                AND was.assigned_to_id IS NOT DISTINCT FROM now.assigned_to_id
        INTO its_book, was_state, new_state, is_alone
        FROM before was, now;
        IF NOT FOUND OR is_alone AND was_state = new_state THEN
            RETURN NULL;
        END IF;
        IF is_alone THEN
            UPDATE coupons_booktally SET {_CHANGES}
                WHERE book_id = its_book AND shard = pg_backend_pid() % {SHARDS};
            IF NOT FOUND THEN
                {_tally_one("its_book", "new_state", "was_state")}
            END IF;
            RETURN NULL;
        END IF;
"""


def _users(how_many: str) -> str:
    """SQL: the users of books who have so many coupons more after the statement."""
    return f"""
            SELECT book_id, user_id, sum(n) AS n FROM (
                SELECT book_id, assigned_to_id AS user_id, 1 AS n FROM now
                WHERE assigned_to_id IS NOT NULL
                UNION ALL
                SELECT book_id, assigned_to_id, -1 FROM before WHERE assigned_to_id IS NOT NULL
            ) changes
            GROUP BY book_id, user_id HAVING sum(n) {how_many} ORDER BY book_id, user_id
    """


_REFUSED_BY_ITS_BOOK = f"""
            IF over.expires_at <= coupons_clock() THEN
                {refuse("coupon_expired")}
            END IF;
            IF NOT over.is_active THEN
                {refuse("book_inactive")}
            END IF;
"""

# Once a statement: a distribution of 100,000 coupons is one upsert of its users. What somebody was
# given is counted where the book limits it, which nobody changes while its rules are shared.
counts_follow_coupons = pgtrigger.Trigger(
    name="counts_follow",
    level=pgtrigger.Statement,
    operation=pgtrigger.Update,
    when=pgtrigger.After,
    referencing=pgtrigger.Referencing(old="before", new="now"),
    declare=[
        ("over", "record"),
        ("its_book", "bigint"),
        ("holder", "bigint"),
        ("most", "integer"),
        ("taken", "integer"),
        ("was_state", "text"),
        ("new_state", "text"),
        ("is_alone", "boolean"),
    ],
    func=f"""
        IF pg_trigger_depth() = 1 THEN
            {_ONE_GIVEN}
        END IF;
        {_ONE_MOVED}
        PERFORM {rules_lock("book_id", shared=True)}
            FROM (SELECT DISTINCT book_id FROM now) books;
        -- The limit is taken here: whoever comes second waits for the row, then sees the sum.
        WITH gained AS (
            {_users("> 0")}
        ), summed AS (
            INSERT INTO coupons_bookuser AS held (book_id, user_id, assigned, redeemed)
            SELECT book_id, user_id, n, 0
            FROM gained JOIN coupons_couponbook book ON book.id = gained.book_id
            WHERE book.max_assignments_per_user IS NOT NULL
            ORDER BY book_id, user_id
            ON CONFLICT (book_id, user_id)
                DO UPDATE SET assigned = held.assigned + EXCLUDED.assigned
            RETURNING book_id, user_id, assigned
        )
        SELECT summed.assigned - gained.n AS used, book.max_assignments_per_user AS most,
            book.is_active, book.expires_at, person.id AS person
        INTO over
        FROM gained JOIN coupons_couponbook book ON book.id = gained.book_id
        LEFT JOIN summed USING (book_id, user_id)
        LEFT JOIN accounts_user person ON person.id = gained.user_id
        WHERE summed.assigned > book.max_assignments_per_user OR NOT book.is_active
            OR book.expires_at <= coupons_clock() OR person.id IS NULL
        LIMIT 1;
        IF FOUND THEN
            IF over.person IS NULL THEN
                {unlawful("nobody has this id", "coupons_coupon_holder_known")}
            END IF;
            {_REFUSED_BY_ITS_BOOK}
            {refuse("max_assignments_exceeded", used="over.used", limit="over.most")}
        END IF;
        IF EXISTS (SELECT FROM before WHERE assigned_to_id IS NOT NULL) THEN
            -- Whoever gives one back at once has no more than before, and yet was given one.
            SELECT book.is_active, book.expires_at INTO over
            FROM before was JOIN now ON now.id = was.id
            JOIN coupons_couponbook book ON book.id = now.book_id
            WHERE was.assigned_to_id IS NULL AND now.assigned_to_id IS NOT NULL
                AND (NOT book.is_active OR book.expires_at <= coupons_clock())
            LIMIT 1;
            IF FOUND THEN
                {_REFUSED_BY_ITS_BOOK}
            END IF;
            UPDATE coupons_bookuser held SET assigned = held.assigned + lost.n
            FROM (
            {_users("< 0")}
            ) lost JOIN coupons_couponbook book ON book.id = lost.book_id
            WHERE book.max_assignments_per_user IS NOT NULL
                AND held.book_id = lost.book_id AND held.user_id = lost.user_id;
        END IF;
        {
        _tally(
            "SELECT book_id, state, 1 AS n FROM now UNION ALL SELECT book_id, state, -1 FROM before"
        )
    }
        RETURN NULL;
    """,
)
