"""Books, batches and distributions: what of them may change, and when."""

import pgtrigger

from promotions.coupons.triggers.common import (
    SEES_RULES,
    changed,
    rules_lock,
    rules_unseen,
    unlawful,
)

ENDED = "coupons_couponbook_ended"
LIMIT_PASSED = "coupons_couponbook_limit_passed"
MULTI_IN_USE = "coupons_couponbook_multi_in_use"
PROMOTION_IN_USE = "coupons_couponbook_promotion_in_use"

# By these rules coupons are judged: who judges at this moment is waited for.
_RULES = (
    "expires_at",
    "is_active",
    "promotion_id",
    "requires_assignment",
    "allow_multi_redemption",
    "max_redemptions_per_user",
    "max_assignments_per_user",
)


def _passed(limit: str, count: str) -> str:
    return f"""
        IF NEW.{limit} < COALESCE(OLD.{limit}, 2147483647) AND EXISTS (
                SELECT 1 FROM coupons_bookuser WHERE book_id = NEW.id AND {count} > NEW.{limit})
        THEN
            {unlawful("somebody has more than that already", LIMIT_PASSED)}
        END IF;
    """


# What users have of a book is counted from when it is limited, and nothing when it is no more.
_COUNT_ANEW = """
            INSERT INTO coupons_bookuser (book_id, user_id, assigned, redeemed)
            SELECT NEW.id, user_id, sum(n), 0 FROM (
                SELECT assigned_to_id AS user_id, 1 AS n FROM coupons_coupon
                WHERE book_id = NEW.id AND state <> 'UNASSIGNED' AND assigned_to_id IS NOT NULL
                    AND NEW.max_assignments_per_user IS NOT NULL
                UNION ALL SELECT user_id, 0 FROM coupons_bookuser WHERE book_id = NEW.id
            ) counted GROUP BY user_id ORDER BY user_id
            ON CONFLICT (book_id, user_id) DO UPDATE SET assigned = EXCLUDED.assigned;
"""

book_keeps_its_word = pgtrigger.Trigger(
    name="keeps_its_word",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    func=f"""
        IF {changed("id", "created_at")} THEN
            {unlawful("these stay", "coupons_couponbook_fixed")}
        END IF;
        -- Places of codes are never taken back, not even by who saves a book as it was.
        NEW.places := GREATEST(NEW.places, OLD.places);
        IF NOT ({changed(*_RULES)}) THEN
            RETURN NEW;
        END IF;
        IF NOT {SEES_RULES} THEN
            {rules_unseen()}
        END IF;
        PERFORM {rules_lock("NEW.id", shared=False)};
        IF {changed("expires_at")} AND OLD.expires_at <= coupons_clock() THEN
            {unlawful("an end that has passed cannot move", ENDED)}
        END IF;
        IF (NEW.max_assignments_per_user IS NULL) <> (OLD.max_assignments_per_user IS NULL) THEN
            {_COUNT_ANEW}
        END IF;
        {_passed("max_assignments_per_user", "assigned")}
        {_passed("max_redemptions_per_user", "redeemed")}
        IF OLD.allow_multi_redemption AND NOT NEW.allow_multi_redemption AND EXISTS (
                SELECT 1 FROM coupons_codebatch
                WHERE book_id = NEW.id AND max_redemptions > 1) THEN
            {unlawful("it has codes of many uses", MULTI_IN_USE)}
        END IF;
        IF {changed("promotion_id")} AND EXISTS (
                SELECT 1 FROM coupons_couponredemption WHERE book_id = NEW.id) THEN
            {unlawful("codes were redeemed under its promotion", PROMOTION_IN_USE)}
        END IF;
        RETURN NEW;
    """,
)

batch_follows_its_codes = pgtrigger.Trigger(
    name="follows_its_codes",
    operation=pgtrigger.Insert | pgtrigger.Update,
    when=pgtrigger.Before,
    func=f"""
        IF TG_OP = 'INSERT' THEN
            IF NEW.done <> 0 THEN
                {unlawful("a batch begins empty", "coupons_codebatch_unledgered")}
            END IF;
            RETURN NEW;
        END IF;
        IF OLD.status <> 'running' THEN
            {unlawful("a finished batch stays", "coupons_codebatch_finished")}
        END IF;
        IF {changed("done")} AND pg_trigger_depth() < 2 THEN
            {unlawful("a batch follows its codes", "coupons_codebatch_unledgered")}
        END IF;
        IF (to_jsonb(NEW) - 'done' - 'status' - 'finished_at')
                <> (to_jsonb(OLD) - 'done' - 'status' - 'finished_at') THEN
            {unlawful("a batch is fixed", "coupons_codebatch_fixed")}
        END IF;
        RETURN NEW;
    """,
)

distribution_stays = pgtrigger.Trigger(
    name="stays",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    func=f"""
        -- It can be undone once, and its pool may go.
        IF (to_jsonb(NEW) - 'undone_at' - 'pool_id') <> (to_jsonb(OLD) - 'undone_at' - 'pool_id')
                OR (NEW.pool_id IS NOT NULL AND {changed("pool_id")})
                OR (OLD.undone_at IS NOT NULL AND {changed("undone_at")}) THEN
            {unlawful("a distribution is fixed", "coupons_distribution_fixed")}
        END IF;
        RETURN NEW;
    """,
)
