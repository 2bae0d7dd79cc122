"""One letter: the same actions, refused where they make no sense."""

from engagement.letters import closing, states
from engagement.letters.replaying import replay
from engagement.letters.selection import Selection
from engagement.models import DeadLetterEvent
from promopulse.lib.errors import NotFound


def act_on_one(action: str, letter_id: int, *, reason: str = "") -> DeadLetterEvent:
    """Replay, discard or restore one letter; gives it as it is then.

    What is done already is no change. Raises NotFound, InvalidTransition, Invalid or
    ReplayRunning.
    """
    letter = DeadLetterEvent.objects.filter(pk=letter_id).first()
    if letter is None:
        raise NotFound()
    states.check(action, letter.state)
    selection = Selection(ids=(letter_id,))
    if action == "replay":
        replay(selection, reason=reason)
    elif action == "discard":
        closing.discard(selection, reason=reason)
    else:
        closing.restore(selection, reason=reason)
    letter.refresh_from_db()
    return letter
