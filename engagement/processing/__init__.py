"""From the inbox to facts and counts, exactly once.

Which row is the truth: the inbox row with its body (waiting), then ProcessedEvent (counted),
RetryEvent or DeadLetterEvent; the batch header counts each of its events in exactly one of them.
Which statement decides who is first with an id: the one of ingest, which inserts it into
ProcessedEvent with the inbox row. Which decides that the row is counted once: the lock on it, with
the token, under which its body goes. What is replayed or retried has no id beforehand: the insert
into ProcessedEvent decides, ON CONFLICT DO NOTHING, when it is counted. What is not counted sets
its id free.

Two transactions. *Claim* marks rows with a token and a lease and commits. *Process* locks the rows
that still have the token and does everything else. Locks in order: inbox rows by id, then those of
`statement.py`, then retrying and dead events by event id, then the headers of other batches by id,
last ids that are set free: who sends one of them again waits for the commit.
A crash before the claim commits changes nothing; after it, the lease lapses and the rows are
claimed again; inside *process* everything rolls back; after its commit there is nothing to redo.
"""

from engagement.processing.drain import drain

__all__ = ["drain"]
