"""Rules the database itself keeps, also against raw SQL: lifecycle, locked fields, the ledger."""

import pgtrigger

# A raised check_violation reaches Django as IntegrityError.
_REFUSE = "RAISE EXCEPTION '{0}' USING ERRCODE = 'check_violation', CONSTRAINT = '{1}';"

# What keeps amounts in a promotion's currency refuses another one under this name.
CURRENCY_FITS = "promotions_promotion_currency_fits"

_ALWAYS_FIXED = ("id", "created_at")
# Stamps and the version follow every change; a pause is a brake, not an edit.
_FIXED_WHEN_ACTIVE = (
    "start_at",
    "end_at",
    "timezone",
    "currency",
    "is_targeted",
    "source_id",
    "metadata",
    "activated_at",
)


def _changed(columns: tuple[str, ...]) -> str:
    return " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)


def of_draft(words: str, constraint: str, also: str = "") -> str:
    """The promotion of this row must be a draft, and stay as it is until the transaction ends.

    `also` is SQL that judges the row once that is certain.
    """
    return f"""
        PERFORM 1 FROM promotions_promotion
            WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.promotion_id ELSE NEW.promotion_id END
                AND status = 'draft' FOR SHARE;
        IF NOT FOUND THEN
            {_REFUSE.format(words, constraint)}
        END IF;{also}
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    """


def money_text(amount: str, currency: str) -> str:
    """SQL of an amount's text with the decimals of its currency: the twin of money.money_text."""
    return f"round({amount}, promotions_minor_digits({currency}))::text"


def too_fine(amount: str, currency: str) -> str:
    """SQL that is true of an amount with more decimals than its currency has."""
    return f"{amount} <> round({amount}, promotions_minor_digits({currency}))"


lifecycle = pgtrigger.Trigger(
    name="lifecycle",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    func=f"""
        IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN
                (('draft', 'active'), ('active', 'ended')) THEN
            {_REFUSE.format("promotion status cannot move back", "promotions_promotion_lifecycle")}
        END IF;
        IF OLD.status = 'ended' THEN
            {_REFUSE.format("an ended promotion is read-only", "promotions_promotion_ended_fixed")}
        END IF;
        IF ({_changed(_ALWAYS_FIXED)}) OR
                (OLD.status = 'active' AND ({_changed(_FIXED_WHEN_ACTIVE)})) THEN
            {_REFUSE.format("field is locked in this status", "promotions_promotion_locked")}
        END IF;
        RETURN NEW;
    """,
)

only_drafts_are_deleted = pgtrigger.Trigger(
    name="only_drafts_deleted",
    operation=pgtrigger.Delete,
    when=pgtrigger.Before,
    func=f"""
        IF OLD.status <> 'draft' THEN
            {_REFUSE.format("only drafts can be deleted", "promotions_promotion_delete")}
        END IF;
        RETURN OLD;
    """,
)

currency_fits_budget = pgtrigger.Trigger(
    name="currency_fits_budget",
    operation=pgtrigger.UpdateOf("currency"),
    when=pgtrigger.Before,
    func=f"""
        IF EXISTS (
                SELECT 1 FROM promotions_budget
                WHERE promotion_id = NEW.id AND {too_fine("total", "NEW.currency")}) THEN
            {_REFUSE.format("an amount has more decimals than this currency", CURRENCY_FITS)}
        END IF;
        RETURN NEW;
    """,
)

audience_of_drafts = pgtrigger.Trigger(
    name="audience_of_drafts",
    operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
    when=pgtrigger.Before,
    func=f"""
        IF TG_OP = 'UPDATE' AND {_changed(("promotion_id",))} THEN
            {_REFUSE.format("an audience stays", "promotions_promotiontarget_locked")}
        END IF;
        {of_draft("the audience is locked", "promotions_promotiontarget_locked")}
    """,
)

# Without a budget a promotion is unlimited, so none comes or goes once it is active.
budget_of_drafts = pgtrigger.Trigger(
    name="budget_of_drafts",
    operation=pgtrigger.Insert | pgtrigger.Delete,
    when=pgtrigger.Before,
    func=of_draft("the budget is locked", "promotions_budget_locked"),
)

# The ledger row is the write: it moves the counters, and nothing else may. A take for which there
# is no room is not entered at all: whoever inserts it looks whether it was.
#
# Whoever moves a budget queues for its advisory lock before its row. Those who wait for a row that
# is updated are woken all at each commit, to see one of them win; those in the queue one by one.
#
# The entry is numbered here: in the order of the queue, and so that none can meet another's id and
# be skipped (ON CONFLICT DO NOTHING) once its money has moved. Its rules stand here and not in
# checks, which are parsed anew for every row.
ledger_moves_budget = pgtrigger.Trigger(
    name="ledger_moves_budget",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    declare=[("funded", "record"), ("queued", "boolean")],
    func=f"""
        IF NOT (NEW.amount > 0 OR NEW.kind = 'fund' AND NEW.amount < 0) OR NEW.amount = 'NaN' THEN
            {_REFUSE.format("no such amount of a movement", "promotions_budgetentry_sign")}
        END IF;
        IF NEW.kind IN ('reserve', 'capture', 'release', 'reverse') THEN
            queued := pg_advisory_xact_lock(NEW.budget_id) IS NOT NULL;
            UPDATE promotions_budget SET
                reserved = reserved + CASE
                    WHEN NEW.kind = 'reserve' THEN NEW.amount
                    WHEN NEW.kind = 'release' OR NEW.was_reserved THEN -NEW.amount ELSE 0 END,
                spent = spent + CASE NEW.kind
                    WHEN 'capture' THEN NEW.amount
                    WHEN 'reverse' THEN -NEW.amount ELSE 0 END
            WHERE id = NEW.budget_id AND (NEW.was_reserved OR NEW.kind IN ('release', 'reverse')
                OR total - reserved - spent >= NEW.amount);
            IF NOT FOUND THEN
                RETURN NULL;
            END IF;
        ELSIF NEW.kind = 'fund' THEN
            SELECT p.status, p.currency INTO funded
                FROM promotions_budget b JOIN promotions_promotion p ON p.id = b.promotion_id
                WHERE b.id = NEW.budget_id;
            IF NOT FOUND OR funded.status = 'ended'
                    OR (funded.status = 'active' AND NEW.amount < 0) THEN
                {_REFUSE.format("the funding is locked", "promotions_budgetentry_funding")}
            END IF;
            IF {too_fine("NEW.amount", "funded.currency")} THEN
                {
        _REFUSE.format("more decimals than its currency has", "promotions_budgetentry_exact")
    }
            END IF;
            UPDATE promotions_budget SET total = total + NEW.amount WHERE id = NEW.budget_id;
        ELSE
            {_REFUSE.format("no such movement", "promotions_budgetentry_kind_known")}
        END IF;
        NEW.id := nextval('promotions_budgetentry_numbers');
        RETURN NEW;
    """,
)

# Money is reserved, spent and given back by the rows it is for: their triggers write the ledger.
# Triggers fire in the order of their names; this one is before the budget moves.
money_comes_with_its_row = pgtrigger.Trigger(
    name="a_money_comes_with_its_row",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    condition=pgtrigger.Condition("pg_trigger_depth() = 0"),
    func=f"""
        IF NEW.kind <> 'fund' THEN
            {_REFUSE.format("money moves with its row", "promotions_budgetentry_unowned")}
        END IF;
        RETURN NEW;
    """,
)

# Caches of what is active compare this number; it is new with every change they would miss.
edition_follows = pgtrigger.Trigger(
    name="edition_follows",
    operation=pgtrigger.Insert | pgtrigger.Update,
    when=pgtrigger.After,
    condition=pgtrigger.Condition("NEW.status <> 'draft'"),
    func=f"""
        IF TG_OP = 'INSERT' OR {_changed(("status", "paused_at", "name"))} THEN
            INSERT INTO promotions_edition (id, number)
                VALUES (1, nextval('promotions_edition_numbers'))
                ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number;
        END IF;
        RETURN NULL;
    """,
)

budget_starts_empty = pgtrigger.Trigger(
    name="budget_starts_empty",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    func=f"""
        IF NEW.total <> 0 OR NEW.reserved <> 0 OR NEW.spent <> 0 THEN
            {_REFUSE.format("a budget starts empty; fund it", "promotions_budget_unledgered")}
        END IF;
        RETURN NEW;
    """,
)

# Of the statement, not of its rows: with a trigger before the row, PostgreSQL locks it another way,
# in which those who wait for it do not queue.
counters_follow_ledger = pgtrigger.Trigger(
    name="counters_follow_ledger",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    level=pgtrigger.Statement,
    condition=pgtrigger.Condition("pg_trigger_depth() = 0"),
    func=_REFUSE.format("only the ledger moves a budget", "promotions_budget_unledgered"),
)

# What a foreign key of the entries would say, without its look-up for every entry.
budget_goes_with_its_ledger = pgtrigger.Trigger(
    name="budget_goes_with_its_ledger",
    operation=pgtrigger.Delete,
    when=pgtrigger.After,
    timing=pgtrigger.Deferred,
    func=f"""
        IF EXISTS (SELECT 1 FROM promotions_budgetentry WHERE budget_id = OLD.id) THEN
            {_REFUSE.format("the ledger is append-only", "promotions_budgetentry_append_only")}
        END IF;
        RETURN NULL;
    """,
)

ledger_is_kept = pgtrigger.Trigger(
    name="ledger_is_kept",
    operation=pgtrigger.Update | pgtrigger.Delete,
    when=pgtrigger.Before,
    func=f"""
        -- A draft's budget that is deleted takes its funding along; nothing else leaves.
        IF TG_OP = 'UPDATE' OR NOT EXISTS (
                SELECT 1 FROM promotions_budget b JOIN promotions_promotion p
                    ON p.id = b.promotion_id
                WHERE b.id = OLD.budget_id AND p.status = 'draft') THEN
            {_REFUSE.format("the ledger is append-only", "promotions_budgetentry_append_only")}
        END IF;
        RETURN OLD;
    """,
)

ledger_goes_with_its_budget = pgtrigger.Trigger(
    name="ledger_goes_with_its_budget",
    operation=pgtrigger.Delete,
    when=pgtrigger.After,
    timing=pgtrigger.Deferred,
    func=f"""
        IF EXISTS (SELECT 1 FROM promotions_budget WHERE id = OLD.budget_id) THEN
            {_REFUSE.format("the ledger is append-only", "promotions_budgetentry_append_only")}
        END IF;
        RETURN NULL;
    """,
)
