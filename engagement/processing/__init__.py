"""From the inbox to facts and counts, exactly once.

Which row is the truth: the inbox row with its body (waiting), then ProcessedEvent (counted),
RetryEvent or DeadLetterEvent; the batch header counts each of its events in exactly one of them.
Which statement decides: the insert into ProcessedEvent, ON CONFLICT DO NOTHING.

Two transactions. *Claim* marks rows with a token and a lease and commits. *Process* locks the rows
that still have the token and does everything else. Locks in order: inbox rows by id, then those of
`statement.py`, then retrying and dead events by event id, last the headers of other batches by id.
A crash before the claim commits changes nothing; after it, the lease lapses and the rows are
claimed again; inside *process* everything rolls back; after its commit there is nothing to redo.
"""

from engagement.processing.drain import drain

__all__ = ["drain"]
