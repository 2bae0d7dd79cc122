"""Parts that the triggers of this app share."""

import pgtrigger

# The first half of the advisory lock of a book's rules; the second is the book. Who assigns or
# redeems shares it, who changes a rule that they judge by has it alone. A row lock would make a
# multixact of every two clients of one book.
_RULES_LOCK = 517_001

# The place of a code in draws is its book's number followed by so many bits.
PLACE_BITS = 31


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


# Whether each statement sees what was committed before it. In other transactions the rules would be
# those of their beginning, whoever has changed them since.
SEES_RULES = "current_setting('transaction_isolation') LIKE 'read %'"


def rules_unseen() -> str:
    """PL/pgSQL that refuses to judge by rules that may have changed since."""
    return unlawful("that takes READ COMMITTED", "coupons_rules_seen")


def kept() -> pgtrigger.Trigger:
    return pgtrigger.Protect(name="kept", operation=pgtrigger.Delete)


def follows_rows(name: str) -> list[pgtrigger.Trigger]:
    """Counters that only another table's triggers may write, and that nobody deletes."""
    refusal = unlawful("these counts follow their rows", "coupons_counts_unledgered")
    return [
        pgtrigger.Trigger(
            name=name,
            operation=pgtrigger.Insert | pgtrigger.Update,
            when=pgtrigger.Before,
            # Asked here, it costs those that may write nothing.
            condition=pgtrigger.Condition("pg_trigger_depth() = 0"),
            func=refusal,
        ),
        pgtrigger.Trigger(
            name=f"{name}_for_good",
            operation=pgtrigger.Delete,
            when=pgtrigger.Before,
            func=refusal,
        ),
    ]
