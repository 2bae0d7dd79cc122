"""Dropping what is past its age: whole months of facts, headers of processed batches, letters.

Which row is the truth: `Pruned`. It says before which month the facts are gone, and what the
headers that were dropped carried, so that the audit and a rebuild go on from there. It is written
in the transaction of what it tells of: a crash leaves both or neither.

Never dropped: ProcessedEvent, by which a repeat is known for ever, and the counts. A batch stays
while one of its events is retried, or is a letter that is open or too young; nothing that the audit
would complain about is ever dropped, so pruning hides no fault.
"""

# The time from which on every fact is kept, as SQL.
KEPT_SINCE = """coalesce(
    (SELECT events_pruned_before FROM engagement_pruned WHERE id = 1), '-infinity'::timestamptz)"""
