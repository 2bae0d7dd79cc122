"""What ops do with dead letters: replay, discard, restore.

Which row is the truth: `DeadLetterEvent.state`; each action moves letters out of the one state it
starts from, so that doing it twice does nothing the second time. A replay is a state change and an
inbox row in one transaction: a letter is `replaying` exactly while a waiting replay batch holds its
event, and processing settles the two together.

Locks in order: the groups of a replay (advisory, tried, never waited for), then letters by event
id, as processing takes them. A crash before the commit leaves neither state nor batch.
"""

from engagement.letters.closing import discard, restore
from engagement.letters.one import act_on_one
from engagement.letters.outcome import Outcome, outcome_of
from engagement.letters.plans import Plan
from engagement.letters.replaying import Replay, replay
from engagement.letters.selection import Selection

__all__ = [
    "Outcome",
    "Plan",
    "Replay",
    "Selection",
    "act_on_one",
    "discard",
    "outcome_of",
    "replay",
    "restore",
]
