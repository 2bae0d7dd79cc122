"""Parts that the triggers of this app share."""

import pgtrigger

# The first half of the advisory lock of a book's rules; the second is the book. Who assigns or
# redeems shares it, who changes a rule that they judge by has it alone. A row lock would make a
# multixact of every two clients of one book.
_RULES_LOCK = 517_001


def unlawful(words: str, constraint: str) -> str:
    """PL/pgSQL that refuses what no door asks for."""
    return (
        f"RAISE EXCEPTION '{words}' USING ERRCODE = 'check_violation', CONSTRAINT = '{constraint}';"
    )


def changed(*columns: str) -> str:
    """SQL: whether one of the columns changes."""
    return " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)


def rules_lock(book: str, *, shared: bool) -> str:
    """SQL: the lock of the rules of a book until the transaction ends."""
    how = "_shared" if shared else ""
    return f"pg_advisory_xact_lock{how}({_RULES_LOCK}, ({book} % 2147483647)::integer)"


def kept() -> pgtrigger.Trigger:
    return pgtrigger.Protect(name="kept", operation=pgtrigger.Delete)


def follows_rows(name: str) -> pgtrigger.Trigger:
    """Counters that only another table's triggers may write."""
    return pgtrigger.Trigger(
        name=name,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        when=pgtrigger.Before,
        func=f"""
            IF TG_OP = 'DELETE' OR pg_trigger_depth() < 2 THEN
                {unlawful("these counts follow their rows", "coupons_counts_unledgered")}
            END IF;
            RETURN NEW;
        """,
    )
