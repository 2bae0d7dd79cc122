"""What the database itself does about people: nobody is deleted, a pool's member count follows its
memberships."""

import pgtrigger


def _recount(name: str, operation: pgtrigger.Operation, rows: str, sign: str) -> pgtrigger.Trigger:
    # Once a statement, not once a row: joining 10,000 users is one update of the pool.
    referencing = (
        pgtrigger.Referencing(new=rows) if sign == "+" else pgtrigger.Referencing(old=rows)
    )
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=referencing,
        func=f"""
            UPDATE accounts_pool SET user_count = user_count {sign} changed.users
            FROM (
                SELECT pool_id, count(*) AS users FROM {rows} GROUP BY pool_id ORDER BY pool_id
            ) changed
            WHERE accounts_pool.id = changed.pool_id;
            RETURN NULL;
        """,
    )


joining_counts = _recount("joining_counts", pgtrigger.Insert, "joined", "+")
leaving_counts = _recount("leaving_counts", pgtrigger.Delete, "gone", "-")
pool_is_fixed = pgtrigger.Protect(
    name="pool_is_fixed",
    operation=pgtrigger.Update,
    condition=pgtrigger.Q(old__pool__df=pgtrigger.F("new__pool")),
)

# A person is erased, which empties the row: their id stands in ledgers and on their coupons.
person_stays = pgtrigger.Protect(name="person_stays", operation=pgtrigger.Delete)
