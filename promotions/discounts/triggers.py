"""What the database itself does when a reservation, redemption or reversal is inserted.

Lock order on every path: the reservation or redemption, the order's id, the day, the budget last.
What overdue reservations still hold is taken with SKIP LOCKED, so no path waits against that order.
A grant that finds some of it in the hands of somebody who is at it is refused as concurrent: it
cannot wait for them while they queue for its budget. Its service goes back to the queue's end.
`discounts_clock` and `discounts_release_overdue` are functions of the first migration.

A condition with a query in it is asked alone, once it matters: PL/pgSQL answers one without in a
fraction of a microsecond, one with it in some ten.
"""

import pgtrigger

from promopulse.lib.refusals import refuse
from promotions.triggers import money_text, of_draft, too_fine


def _rfc3339(sql: str) -> str:
    """The twin of promopulse.lib.time.rfc3339: microseconds only where there are some."""
    text = f"""to_char({sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
    return f"""regexp_replace({text}, '\\.0+$', '') || 'Z'"""


def _day_ends(day: str, zone: str) -> str:
    """The moment a local day is over. Where clocks go back over midnight there are two midnights,
    of which PostgreSQL takes the later."""
    ends = f"(({day} + 1)::timestamp AT TIME ZONE {zone})"
    earlier = f"({ends} - interval '1 hour')"
    return f"CASE WHEN ({earlier} AT TIME ZONE {zone})::date > {day} THEN {earlier} ELSE {ends} END"


def _money(sql: str) -> str:
    return money_text(sql, "terms.currency")


def _unlawful(words: str, constraint: str) -> str:
    return (
        f"RAISE EXCEPTION '{words}' USING ERRCODE = 'check_violation', CONSTRAINT = '{constraint}';"
    )


# Every rule of a grant in the order refusals are told. Sets price, amount, day and what limits it.
#
# `at` is when the grant happened: a pause that commits while it waits for the budget comes later.
# The budget is what others wait for, so all that can be done is done before it is taken.
_TAKE = f"""
        at := discounts_clock();
        SELECT p.status, p.paused_at, p.ended_at, p.start_at, p.end_at, p.timezone, p.currency,
            p.is_targeted, d.discount_type, d.discount_percentage, d.discount_flat,
            d.min_cart_value, d.max_discount_amount,
            d.max_usage_per_customer_per_day AS most, b.id AS budget_id
        INTO terms
        FROM promotions_promotion p JOIN discounts_discount d ON d.promotion_id = p.id
        JOIN accounts_user u ON u.id = NEW.user_id AND u.erased_at IS NULL
        LEFT JOIN promotions_budget b ON b.promotion_id = p.id
        WHERE p.id = NEW.promotion_id;
        IF NOT FOUND THEN
            {refuse("not_found")}
        END IF;
        IF terms.status = 'ended' THEN
            {refuse("promotion_ended", ended_at=_rfc3339("terms.ended_at"))}
        END IF;
        IF terms.status <> 'active' THEN
            {refuse("promotion_not_active", status="terms.status")}
        END IF;
        IF terms.paused_at IS NOT NULL THEN
            {refuse("promotion_paused")}
        END IF;
        IF at < terms.start_at THEN
            {refuse("promotion_not_started", starts_at=_rfc3339("terms.start_at"))}
        END IF;
        IF at >= terms.end_at THEN
            {refuse("promotion_expired", ended_at=_rfc3339("terms.end_at"))}
        END IF;
        IF NEW.currency <> terms.currency THEN
            {refuse("currency_mismatch", expected="terms.currency", given="NEW.currency")}
        END IF;
        IF terms.is_targeted THEN
            IF NOT EXISTS (
                    SELECT 1 FROM promotions_promotiontarget
                    WHERE promotion_id = NEW.promotion_id AND user_id = NEW.user_id)
                AND NOT EXISTS (
                    SELECT 1 FROM promotions_promotiontarget target
                    JOIN accounts_poolmembership member ON member.pool_id = target.pool_id
                    WHERE target.promotion_id = NEW.promotion_id AND member.user_id = NEW.user_id)
            THEN
                {refuse("not_targeted")}
            END IF;
        END IF;
        digits := promotions_minor_digits(terms.currency);
        IF NEW.cart_value <> round(NEW.cart_value, digits)
                OR NEW.delivery_charge <> round(NEW.delivery_charge, digits)
                OR NEW.delivery_charge < 0 OR NEW.delivery_charge = 'NaN'
                OR NEW.cart_value < 0 OR NEW.cart_value = 'NaN' THEN
            {_unlawful("no such cart in this currency", "discounts_cart_exact")}
        END IF;
        IF NEW.cart_value < terms.min_cart_value THEN
            {
    refuse(
        "min_cart_value_not_met",
        required=_money("terms.min_cart_value"),
        actual=_money("NEW.cart_value"),
        missing=_money("terms.min_cart_value - NEW.cart_value"),
    )
}
        END IF;

        -- The twin of rules.price.
        NEW.original_amount := CASE terms.discount_type
            WHEN 'cart' THEN NEW.cart_value ELSE NEW.delivery_charge END;
        NEW.wanted := COALESCE(terms.discount_flat,
            round(NEW.original_amount * terms.discount_percentage * 0.01, digits));
        NEW.limited_by := '';
        IF NEW.wanted > terms.max_discount_amount THEN
            NEW.wanted := terms.max_discount_amount;
            NEW.limited_by := 'cap';
        END IF;
        IF NEW.wanted > NEW.original_amount THEN
            NEW.wanted := NEW.original_amount;
            NEW.limited_by := 'value';
        END IF;
        IF NEW.wanted <= 0 THEN
            {refuse("nothing_to_discount")}
        END IF;

        NEW.local_day := (at AT TIME ZONE terms.timezone)::date;
        LOOP
            INSERT INTO discounts_dailyuse AS today (promotion_id, user_id, day, used, most)
            VALUES (NEW.promotion_id, NEW.user_id, NEW.local_day, 1, terms.most)
            ON CONFLICT (promotion_id, user_id, day)
                DO UPDATE SET used = today.used + 1 WHERE today.used < today.most;
            EXIT WHEN FOUND;
            released := discounts_release_overdue(NEW.promotion_id, NEW.user_id);
            IF released < 0 THEN
                {refuse("concurrent_redemption")}
            END IF;
            IF released = 0 THEN
                {
    refuse(
        "daily_limit_reached",
        used="terms.most",
        limit="terms.most",
        resets_at=_rfc3339(_day_ends("NEW.local_day", "terms.timezone")),
    )
}
            END IF;
        END LOOP;
        {{before_money}}
        NEW.amount := NEW.wanted;
        IF terms.budget_id IS NOT NULL THEN
            {{entry}}
            IF NOT FOUND THEN
                -- Whoever comes to an entry heads the queue until the transaction ends.
                LOOP
                    SELECT total - reserved - spent INTO room FROM promotions_budget
                        WHERE id = terms.budget_id FOR NO KEY UPDATE;
                    EXIT WHEN room >= NEW.wanted;
                    released := discounts_release_overdue(NEW.promotion_id);
                    EXIT WHEN released <= 0;
                END LOOP;
                IF room < NEW.wanted AND released < 0 THEN
                    {refuse("concurrent_redemption")}
                END IF;
                IF room <= 0 THEN
                    {refuse("budget_exhausted", left=_money("room"))}
                END IF;
                IF room < NEW.wanted THEN
                    NEW.amount := room;
                    NEW.limited_by := 'budget';
                END IF;
                {{entry}}
            END IF;
        END IF;
"""

_DECLARE = [
    ("terms", "record"),
    ("digits", "integer"),
    ("room", "numeric"),
    ("released", "integer"),
    ("at", "timestamptz"),
]

_GIVE_DAY_BACK = """
            UPDATE discounts_dailyuse SET used = used - 1
                WHERE promotion_id = {row}.promotion_id AND user_id = {row}.user_id
                    AND day = {row}.local_day;
"""


def _take(kind: str, before_money: str = "") -> str:
    """All of a grant: its rules, its day, its money with the ledger's entry of this kind."""
    entry = f"""INSERT INTO promotions_budgetentry (budget_id, kind, amount, subject_id)
                VALUES (terms.budget_id, '{kind}', NEW.amount, NEW.id);"""
    return _TAKE.format(entry=entry, before_money=before_money)


def _ledger(kind: str, promotion: str = "NEW.promotion_id", was_reserved: str = "false") -> str:
    """One entry for this row, where its promotion has a budget."""
    return f"""
        INSERT INTO promotions_budgetentry (budget_id, kind, amount, was_reserved, subject_id)
            SELECT id, '{kind}', NEW.amount, {was_reserved}, NEW.id
            FROM promotions_budget WHERE promotion_id = {promotion};
"""


_INEXACT = " OR ".join(
    too_fine(f"NEW.{amount}", "promotion.currency")
    for amount in ("discount_flat", "min_cart_value", "max_discount_amount")
)
# Its other side is `discounts_currency_fits`, a trigger of the first migration on promotions, which
# do not know discounts.
_EXACT = f"""
        IF TG_OP <> 'DELETE' AND EXISTS (
                SELECT 1 FROM promotions_promotion promotion
                WHERE promotion.id = NEW.promotion_id AND ({_INEXACT})) THEN
            {_unlawful("an amount has more decimals than its currency", "discounts_discount_exact")}
        END IF;
"""

discount_of_drafts = pgtrigger.Trigger(
    name="discount_of_drafts",
    operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
    when=pgtrigger.Before,
    func=f"""
        IF TG_OP = 'UPDATE' AND NEW.promotion_id <> OLD.promotion_id THEN
            {_unlawful("a discount stays", "discounts_discount_locked")}
        END IF;
        {of_draft("the discount is locked", "discounts_discount_locked", also=_EXACT)}
    """,
)

days_follow_uses = pgtrigger.Trigger(
    name="days_follow_uses",
    operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
    when=pgtrigger.Before,
    condition=pgtrigger.Condition("pg_trigger_depth() = 0"),
    func=_unlawful("a day follows its uses", "discounts_dailyuse_unledgered"),
)

reservation_takes = pgtrigger.Trigger(
    name="takes",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    declare=_DECLARE,
    func=f"""
        NEW.id := nextval('discounts_reservation_numbers');
        {_take("reserve")}
        NEW.expires_at := at + make_interval(secs => NEW.ttl_seconds);
        NEW.created_at := at;
        NEW.state := 'open';
        NEW.closed_at := NULL;
        RETURN NEW;
    """,
)

# After the rows: a sweep of many gives all days back before it touches the budget.
reservation_in_ledger = pgtrigger.Trigger(
    name="in_ledger",
    operation=pgtrigger.Update,
    when=pgtrigger.After,
    condition=pgtrigger.Q(new__state__in=["released", "expired"]),
    func=f"""
        {_ledger("release")}
        RETURN NULL;
    """,
)

reservation_moves = pgtrigger.Trigger(
    name="moves",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    func=f"""
        IF OLD.state = 'expired' OR (OLD.state = 'open' AND OLD.expires_at <= discounts_clock()
                AND NEW.state <> 'expired') THEN
            {refuse("reservation_expired", expired_at=_rfc3339("OLD.expires_at"))}
        END IF;
        IF OLD.state <> 'open' THEN
            {refuse("reservation_closed", state="OLD.state")}
        END IF;
        IF NEW.state = 'open' OR (NEW.state = 'captured' AND pg_trigger_depth() < 2)
                OR (NEW.state = 'expired' AND OLD.expires_at > discounts_clock()) THEN
            {_unlawful("no such move of a reservation", "discounts_reservation_moves")}
        END IF;
        IF (to_jsonb(NEW) - 'state' - 'closed_at') <> (to_jsonb(OLD) - 'state' - 'closed_at') THEN
            {_unlawful("a reservation is fixed", "discounts_reservation_fixed")}
        END IF;
        NEW.closed_at := discounts_clock();
        IF NEW.state IN ('released', 'expired') THEN
            {_GIVE_DAY_BACK.format(row="NEW")}
        END IF;
        RETURN NEW;
    """,
)

_NEWS = "INSERT INTO discounts_grantoutbox (redemption_id) VALUES (NEW.id);"

redemption_takes = pgtrigger.Trigger(
    name="takes",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    declare=[*_DECLARE, ("held", "discounts_reservation"), ("queued", "boolean")],
    func=f"""
        NEW.id := nextval('discounts_redemption_numbers');
        IF NEW.reservation_id IS NOT NULL THEN
            SELECT * INTO held FROM discounts_reservation
                WHERE id = NEW.reservation_id FOR UPDATE;
            IF NOT FOUND THEN
                {refuse("not_found")}
            END IF;
            -- Judges it: only one that is open and not overdue can be captured.
            UPDATE discounts_reservation SET state = 'captured' WHERE id = NEW.reservation_id;
            NEW.promotion_id := held.promotion_id;
            NEW.user_id := held.user_id;
        END IF;
        IF NEW.order_id IS NOT NULL THEN
            IF NEW.order_id = '' THEN
                {_unlawful("an order has a name or none", "discounts_redemption_order_named")}
            END IF;
            -- The second of two at once is told here, and not by the index once it has taken money.
            queued :=
                pg_advisory_xact_lock(hashtextextended(NEW.order_id, NEW.promotion_id)) IS NOT NULL;
            IF EXISTS (
                    SELECT 1 FROM discounts_redemption
                    WHERE promotion_id = NEW.promotion_id AND order_id = NEW.order_id) THEN
                {refuse("order_already_redeemed", order_id="NEW.order_id")}
            END IF;
        END IF;
        IF NEW.reservation_id IS NULL THEN
            {_take("capture", before_money=_NEWS)}
        ELSE
            NEW.currency := held.currency;
            NEW.cart_value := held.cart_value;
            NEW.delivery_charge := held.delivery_charge;
            NEW.original_amount := held.original_amount;
            NEW.wanted := held.wanted;
            NEW.amount := held.amount;
            NEW.limited_by := held.limited_by;
            NEW.local_day := held.local_day;
            at := discounts_clock();
            {_NEWS}
            {_ledger("capture", was_reserved="true")}
        END IF;
        NEW.reversed := 0;
        NEW.granted_at := at;
        RETURN NEW;
    """,
)

redemption_stays = pgtrigger.Trigger(
    name="stays",
    operation=pgtrigger.Update,
    when=pgtrigger.Before,
    func=f"""
        IF pg_trigger_depth() < 2 OR (to_jsonb(NEW) - 'reversed') <> (to_jsonb(OLD) - 'reversed')
        THEN
            {_unlawful("a redemption is fixed", "discounts_redemption_fixed")}
        END IF;
        RETURN NEW;
    """,
)

reversal_gives_back = pgtrigger.Trigger(
    name="gives_back",
    operation=pgtrigger.Insert,
    when=pgtrigger.Before,
    declare=[("given", "discounts_redemption")],
    func=f"""
        NEW.id := nextval('discounts_reversal_numbers');
        SELECT * INTO given FROM discounts_redemption WHERE id = NEW.redemption_id FOR UPDATE;
        IF NOT FOUND THEN
            {refuse("not_found")}
        END IF;
        IF given.reversed = given.amount THEN
            {refuse("already_reversed", granted=money_text("given.amount", "given.currency"))}
        END IF;
        NEW.amount := COALESCE(NEW.amount, given.amount - given.reversed);
        IF {too_fine("NEW.amount", "given.currency")} THEN
            {_unlawful("more decimals than its currency has", "discounts_reversal_exact")}
        END IF;
        NEW.created_at := discounts_clock();
        UPDATE discounts_redemption SET reversed = reversed + NEW.amount
            WHERE id = NEW.redemption_id;
        IF given.reversed + NEW.amount = given.amount THEN
            {_GIVE_DAY_BACK.format(row="given")}
        END IF;
        {_ledger("reverse", promotion="given.promotion_id")}
        RETURN NEW;
    """,
)


def kept() -> pgtrigger.Trigger:
    return pgtrigger.Protect(name="kept", operation=pgtrigger.Delete)
