"""Redemptions and reversals: inserting one is the use, or the giving back.

Locks in order: the redemption (of a reversal), what the user has of the book, the coupon. Nothing
after these waits for anything of this app; a discount's day and budget come after the statement.
"""

import pgtrigger

from promopulse.lib.refusals import refuse
from promotions.coupons.triggers.common import rules_lock, unlawful

# The reasons in the order they are told: whether there is such a coupon for them, then its state,
# then what the book says, then their limit. The twin of states.refusal.
redemption_takes = pgtrigger.Trigger(
    name="takes",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    declare=[
        ("coupon", "record"),
        ("used", "integer"),
        ("at", "timestamptz"),
        ("is_held", "boolean"),
    ],
    func=f"""
        SELECT book_id, {rules_lock("book_id", shared=True)} INTO coupon
            FROM coupons_coupon WHERE id = NEW.coupon_id;
        IF NOT FOUND THEN
            {refuse("coupon_not_found")}
        END IF;
        NEW.book_id := coupon.book_id;
        INSERT INTO coupons_bookuser AS held (book_id, user_id, assigned, redeemed)
            VALUES (NEW.book_id, NEW.user_id, 0, 1)
            ON CONFLICT (book_id, user_id) DO UPDATE SET redeemed = held.redeemed + 1
            RETURNING redeemed INTO used;
        -- The rules of the book stay while their lock is shared, whoever holds the coupon.
        SELECT code.state, code.assigned_to_id, code.locked_until, code.lock_token_hash,
            book.is_active, book.expires_at, book.requires_assignment,
            book.max_redemptions_per_user AS most
        INTO coupon
        FROM coupons_coupon code JOIN coupons_couponbook book ON book.id = code.book_id
        WHERE code.id = NEW.coupon_id FOR NO KEY UPDATE OF code;
        -- Behind the queue for the coupon: what counts is when its turn comes.
        at := coupons_clock();

        -- Asked at once: most uses are of this kind.
        IF (coupon.state = 'ASSIGNED' AND coupon.assigned_to_id = NEW.user_id
                AND NEW.lock_token_hash IS NULL AND coupon.is_active
                AND COALESCE(coupon.expires_at > at, true)
                AND COALESCE(used <= coupon.most, true)) IS NOT TRUE THEN
            IF coupon.assigned_to_id <> NEW.user_id THEN
                {refuse("coupon_not_found")}
            END IF;
            IF coupon.state = 'REDEEMED' THEN
                {refuse("coupon_redeemed")}
            END IF;
            IF coupon.state = 'EXPIRED' OR coupon.expires_at <= at THEN
                {refuse("coupon_expired")}
            END IF;
            IF coupon.state = 'UNASSIGNED' AND coupon.requires_assignment THEN
                {refuse("coupon_not_assigned")}
            END IF;
            is_held := coupon.state = 'LOCKED' AND coupon.locked_until > at;
            IF is_held AND NEW.lock_token_hash IS NULL THEN
                {refuse("coupon_locked")}
            END IF;
            IF NEW.lock_token_hash IS NOT NULL
                    AND NOT (is_held AND coupon.lock_token_hash = NEW.lock_token_hash) THEN
                {refuse("lock_token_mismatch")}
            END IF;
            IF NOT coupon.is_active THEN
                {refuse("book_inactive")}
            END IF;
            IF used > coupon.most THEN
                {refuse("max_redemptions_exceeded", used="used - 1", limit="coupon.most")}
            END IF;
        END IF;

        UPDATE coupons_coupon SET
            uses = uses + 1,
            state = CASE
                WHEN uses + 1 = max_redemptions THEN 'REDEEMED'
                WHEN assigned_to_id IS NULL THEN 'UNASSIGNED' ELSE 'ASSIGNED' END,
            redeemed_at = CASE WHEN uses + 1 = max_redemptions THEN at END,
            locked_until = NULL, lock_token_hash = NULL
            WHERE id = NEW.coupon_id;
        NEW.good_until := LEAST(
            CASE WHEN NEW.lock_token_hash IS NOT NULL THEN coupon.locked_until END,
            coupon.expires_at);
        NEW.created_at := at;
        RETURN NEW;
    """,
)

# Who was frozen past the deadline between the use and its commit commits nothing.
redemption_commits_in_time = pgtrigger.Trigger(
    name="commits_in_time",
    operation=pgtrigger.Insert,
    when=pgtrigger.After,
    timing=pgtrigger.Deferred,
    condition=pgtrigger.Q(new__good_until__isnull=False),
    func=f"""
        IF NEW.good_until <= coupons_clock() THEN
            IF EXISTS (SELECT 1 FROM coupons_couponbook
                    WHERE id = NEW.book_id AND expires_at <= coupons_clock()) THEN
                {refuse("coupon_expired")}
            END IF;
            {refuse("lock_token_mismatch")}
        END IF;
        RETURN NULL;
    """,
)

redemption_stays = pgtrigger.Trigger(
    name="stays",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    func=f"""
        -- Its discount is granted after it; a person who is erased takes the metadata along.
        IF (to_jsonb(NEW) - 'metadata' - 'discount_id')
                    <> (to_jsonb(OLD) - 'metadata' - 'discount_id')
                OR OLD.discount_id <> NEW.discount_id
                OR (OLD.discount_id IS NOT NULL AND NEW.discount_id IS NULL)
                OR NEW.metadata NOT IN (OLD.metadata, '{{}}'::jsonb) THEN
            {unlawful("a redemption is fixed", "coupons_redemption_fixed")}
        END IF;
        RETURN NEW;
    """,
)

reversal_gives_back = pgtrigger.Trigger(
    name="gives_back",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    declare=[("given", "coupons_couponredemption")],
    func=f"""
        SELECT * INTO given FROM coupons_couponredemption
            WHERE id = NEW.redemption_id FOR NO KEY UPDATE;
        IF EXISTS (SELECT 1 FROM coupons_couponreversal
                WHERE redemption_id = NEW.redemption_id) THEN
            {refuse("already_reversed")}
        END IF;
        UPDATE coupons_bookuser SET redeemed = redeemed - 1
            WHERE book_id = given.book_id AND user_id = given.user_id;
        UPDATE coupons_coupon SET
            uses = uses - 1,
            state = CASE
                WHEN state <> 'REDEEMED' THEN state
                WHEN assigned_to_id IS NULL THEN 'UNASSIGNED' ELSE 'ASSIGNED' END,
            redeemed_at = NULL
            WHERE id = given.coupon_id;
        NEW.created_at := coupons_clock();
        RETURN NEW;
    """,
)
