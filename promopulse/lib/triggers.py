"""Database triggers that more than one app needs."""

import pgtrigger


def append_only() -> list[pgtrigger.Trigger]:
    """Rows can be added and read; nothing changes, deletes or truncates them."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        no_truncate(),
    ]


def no_truncate() -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name="no_truncate",
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        func="RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;",
    )
